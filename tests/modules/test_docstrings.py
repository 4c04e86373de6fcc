"""What a docstring of the zoo must say."""

import inspect
import re

import pytest

from plugnas import modules

ENTRIES = [entry for entry in modules.entries() if entry.slot != "activation"]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.key for entry in ENTRIES])
def test_shapes_are_told(entry):
    """A reader learns what goes in and what comes out: (B, ...) -> (B, ...) or the same."""
    text = " ".join((inspect.getdoc(entry.cls) or "").split())
    assert re.search(r"\(B, [^)]*\).{0,60}-> (\(B, |the same|same)", text), entry.cls.__doc__


def test_every_module_says_where_its_authors_publish_or_why_no_place_is_named():
    for entry in modules.entries():
        if entry.origin is None:
            assert entry.no_origin, entry.key
        else:
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+, [\w.+-]+", entry.origin), entry.key
