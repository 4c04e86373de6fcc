"""The registry rejects wrong declarations at import and suggests the nearest key."""

from __future__ import annotations

import pytest
from torch import nn

from plugnas import modules
from plugnas.modules import DeclarationError, Site, UnknownModuleError


def _declare(key="fresh_key", cls=None, **changes):
    class Fresh(nn.Module):
        """Does something."""

        def __init__(self, channels, *, width=4):
            super().__init__()

    declaration = {"slot": "attention", "family": "channel", "name": "Fresh", **changes}
    return modules.register(key, **declaration)(cls or Fresh)


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"key": "se"}, "taken"),
        ({"key": "no"}, "word of YAML"),
        ({"key": "BadKey"}, "snake_case"),
        ({"slot": "attentoin"}, "slot must be one of"),
        ({"choices": {"wdth": (4,)}}, "keyword-only parameter"),
        ({"choices": {"channels": (4,)}}, "keyword-only parameter"),
        ({"choices": {"width": (8, 16)}}, "not among its choices"),
        ({"choices": {"width": (4, 4)}}, "twice"),
        ({"choices": {"width": (4, "8")}}, "one type"),
        ({"choices": {"width": ()}}, "non-empty"),
        ({"export": {"coreml": "no"}}, "formats"),
        ({"cls": nn.Identity, "choices": {}, "aliases": ("se",)}, "taken"),
    ],
)
def test_wrong_declarations_are_rejected(changes, law):
    before = modules.entries()
    with pytest.raises(DeclarationError, match=law):
        _declare(**changes)
    assert modules.entries() == before


def test_lookup_suggests():
    with pytest.raises(UnknownModuleError, match="did you mean `se`"):
        modules.get("see")


def test_settings_are_checked():
    entry = modules.get("se")
    assert entry.complete({}) == {"reduction": 16}
    with pytest.raises(UnknownModuleError, match="did you mean `reduction`"):
        entry.build(Site(16, 4, 4), {"reducton": 4})
    with pytest.raises(UnknownModuleError, match="must be one of 4, 8, 16, but got 5"):
        entry.build(Site(16, 4, 4), {"reduction": 5})


def test_tokens():
    assert modules.token((1, 2)) == "1,2"
    assert modules.token(True) == "true"
    assert modules.token(0.25) == "0.25"
    assert modules.token(3) == 3
