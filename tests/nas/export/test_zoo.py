"""Networks of every key of the zoo, in every format it declares, against the eager network.

They are written first and then loaded in one fresh process without plugnas. Writing a network takes
seconds: `make test` takes a sample of the zoo in a few networks of several modules, `make
test-slow` a network of its own for every key.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import torch

from plugnas import modules
from plugnas.nas.export import ExportError, Options, check, delivery
from plugnas.space import adapters
from tests.nas.export import subjects

# No skeleton has a place for upsampling: test_upsampling.py writes those modules alone.
KEYS = [entry.key for entry in modules.entries() if entry.slot != "upsampling"]


# At least one of each mechanism that a format could get wrong: convolutions of every kind, gathered
# neighbourhoods, sampled and shifted maps, spectra, sorting, recurrences, resized and joined maps.
# Each row is one network, of at most two operators and two attentions; a module that refuses a
# format stands alone, for the others of its network would not be written in that format.
SAMPLE = (
    ("mbconv", "rep_vgg", "cbam", "coord_attention", "aff", "aspp", "gem", "prelu"),
    ("octave_conv", "transposed_conv", "outlook", "biformer"),
    ("deform_conv", "s2", "ss2d"),
    ("self_attention", "global_filter"),
    ("placebo",),
    ("cond_conv",),
)


def slot_of(entry: modules.Entry) -> str:
    """Where ``all`` offers it; a control, which ``all`` leaves out, stands in its own slot."""
    homes = (slot for slot in adapters.HOMES if adapters.selected_by_all(entry, slot))
    return next(homes, entry.slot)


@pytest.fixture(scope="module")
def answers(request, tmp_path_factory):
    """For each network that is tested and each file: how it departs from the eager one, or None."""
    tests = [i for i in request.session.items if i.path == request.path and hasattr(i, "callspec")]
    networks = [test.callspec.params["keys"] for test in tests]
    folder = tmp_path_factory.mktemp("zoo")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    items = {keys: written(keys, folder) for keys in networks}
    torch.set_num_threads(threads)
    sound = {keys: item for keys, item in items.items() if not isinstance(item, str)}
    found = dict.fromkeys(networks)
    for (keys, item), answer in zip(
        sound.items(), check._ask(list(sound.values()), 0.0), strict=True
    ):
        found[keys] = {name: check.difference(item, name, answer[name]) for name in item.files}
    return {keys: items[keys] if answer is None else answer for keys, answer in found.items()}


def written(keys: tuple[str, ...], folder: Path) -> check.Item | str:
    path = folder / "-".join(keys)
    path.mkdir()
    subject = subject_of(keys)
    try:
        work = delivery._write_models(subject, path, path, Options(fixed_size=True, measure=False))
    except ExportError as error:
        return str(error)
    return work.item()


@functools.cache
def subject_of(keys: tuple[str, ...]):
    """A network of the given modules; the second of a slot stands in a second block."""
    slots: dict[str, list[str]] = {}
    for key in keys:
        slots.setdefault(slot_of(modules.get(key)), []).append(key)
    blocks = max(map(len, slots.values()))
    values = subjects.values(blocks=blocks, **{slot: found[:1] for slot, found in slots.items()})
    for slot, (_, *second) in slots.items():
        values |= {f"stage2.block1.{slot}": key for key in second}
    return subjects.subject(values, "-".join(keys))


@pytest.mark.parametrize(
    "keys",
    [
        *SAMPLE,
        *(pytest.param((key,), marks=pytest.mark.slow) for key in KEYS if (key,) not in SAMPLE),
    ],
    ids="-".join,
)
def test_every_declared_format_gives_the_network_s_outputs(keys, answers):
    refused = {kind for key in keys for kind in modules.get(key).export}
    expected = {"model.py": None}
    expected |= {f"model.{kind}": None for kind in ("pt2", "onnx") if kind not in refused}
    assert answers[keys] == expected


def test_a_refused_format_is_refused_with_its_reason(tmp_path):
    for entry in modules.entries():
        for kind, reason in entry.export.items():
            with pytest.raises(ExportError, match=f"`{entry.key}`: {re.escape(reason)}"):
                options = Options(formats=(kind,))
                delivery.deliver(subject_of((entry.key,)), tmp_path / "out", options)
            assert not (tmp_path / "out").exists()
