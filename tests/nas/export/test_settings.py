"""model.py under every setting of every module: the class alone decides, so the source is run."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from plugnas import modules
from plugnas.modules import token
from plugnas.nas.export import model_py
from plugnas.space import SpaceError, adapters
from tests.nas.export import subjects

KEYS = [e.key for e in modules.entries() if e.choices and e.slot != "upsampling"]


def settings(entry: modules.Entry, every: bool):
    """Every value of every choice, one at a time beside the defaults; of numbers else one."""
    for name, values in entry.choices.items():
        others = [v for v in values if v != entry.defaults[name]]
        words = [v for v in others if isinstance(v, bool | str)]
        yield from ({name: token(v)} for v in (others if every else words or others[:1]))


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", KEYS)
def test_the_source_computes_what_the_zoo_does(key, every, monkeypatch):
    entry = modules.get(key)
    slot = next(s for s in adapters.HOMES if adapters.selected_by_all(entry, s) or s in entry.slots)
    tried = 0
    for setting in settings(entry, every):
        try:
            values = subjects.values(blocks=1, **{slot: [{key: setting}]})
        except SpaceError:
            continue  # refused at this site
        subject = subjects.subject(values)
        module = types.ModuleType("exported")
        monkeypatch.setitem(sys.modules, "exported", module)
        text = model_py.source(subject, deploy=True, preprocessing=False)
        exec(compile(text, "model.py", "exec"), module.__dict__)
        network = module.Network()
        network.load_state_dict(subject.network.state_dict(), strict=True)
        network.eval()
        x = subject.normalised(subject.images)
        with torch.no_grad():
            expected = subject.network(x)
            scale = float(expected.abs().max())
            torch.testing.assert_close(network(x), expected, rtol=1e-6, atol=1e-6 * scale)
            torch.testing.assert_close(
                module.fuse(network)(x), expected, rtol=1e-4, atol=1e-4 * scale
            )
        tried += 1
    assert tried or not any(settings(entry, every)) or entry.refuses is not None
