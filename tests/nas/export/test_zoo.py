"""One network per key of the zoo, in every format it declares, against the eager network.

They are written first and then loaded in one fresh process without plugnas. `make test` takes a
sample, for writing a network takes seconds; `make test-slow` takes the whole zoo.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import torch
from torch.onnx._internal.exporter._registration import ONNXRegistry

from plugnas import modules
from plugnas.nas.export import ExportError, Options, check, delivery
from plugnas.space import adapters
from tests.nas.export import subjects

# No skeleton has a place for upsampling: test_upsampling.py writes those modules alone.
KEYS = [entry.key for entry in modules.entries() if entry.slot != "upsampling"]


# At least one of each mechanism that a format could get wrong: convolutions of every kind, gathered
# neighbourhoods, sampled and shifted maps, spectra, sorting, recurrences, resized and joined maps.
SAMPLE = (
    "mbconv", "cond_conv", "octave_conv", "transposed_conv", "deform_conv", "rep_vgg", "cbam",
    "coord_attention", "outlook", "biformer", "s2", "ss2d", "self_attention", "global_filter",
    "aspp", "aff", "gem", "prelu", "placebo",
)  # fmt: skip


def slot_of(entry: modules.Entry) -> str:
    """Where ``all`` offers it; a control, which ``all`` leaves out, stands in its own slot."""
    homes = (slot for slot in adapters.HOMES if adapters.selected_by_all(entry, slot))
    return next(homes, entry.slot)


@pytest.fixture(scope="module")
def answers(request, tmp_path_factory):
    """For each key that is tested and each file: how it departs from the eager network, or None."""
    tests = [i for i in request.session.items if i.path == request.path and hasattr(i, "callspec")]
    keys = [test.callspec.params["key"] for test in tests]
    folder = tmp_path_factory.mktemp("zoo")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        # torch reads its table of ONNX operators anew for every export; here once.
        table = ONNXRegistry.from_torchlib()
        patch.setattr(ONNXRegistry, "from_torchlib", lambda *args, **options: table)
        items = {key: written(key, folder) for key in keys}
    torch.set_num_threads(threads)
    sound = {key: item for key, item in items.items() if not isinstance(item, str)}
    found = dict.fromkeys(keys)
    for (key, item), answer in zip(
        sound.items(), check._ask(list(sound.values()), 0.0), strict=True
    ):
        found[key] = {name: check.difference(item, name, answer[name]) for name in item.files}
    return {key: items[key] if answer is None else answer for key, answer in found.items()}


def written(key: str, folder: Path) -> check.Item | str:
    path = folder / key
    path.mkdir()
    subject = subject_of(key)
    try:
        work = delivery._write_models(subject, path, path, Options(fixed_size=True, measure=False))
    except ExportError as error:
        return str(error)
    return work.item()


@functools.cache
def subject_of(key: str):
    slot = slot_of(modules.get(key))
    return subjects.subject(subjects.values(blocks=1, **{slot: [key]}), key)


@pytest.mark.parametrize(
    "key", [k if k in SAMPLE else pytest.param(k, marks=pytest.mark.slow) for k in KEYS]
)
def test_every_declared_format_gives_the_network_s_outputs(key, answers):
    refused = set(modules.get(key).export)
    expected = {"model.py": None}
    expected |= {f"model.{kind}": None for kind in ("pt2", "onnx") if kind not in refused}
    assert answers[key] == expected


def test_a_refused_format_is_refused_with_its_reason(tmp_path):
    for entry in modules.entries():
        for kind, reason in entry.export.items():
            with pytest.raises(ExportError, match=f"`{entry.key}`: {re.escape(reason)}"):
                options = Options(formats=(kind,))
                delivery.deliver(subject_of(entry.key), tmp_path / "out", options)
            assert not (tmp_path / "out").exists()
