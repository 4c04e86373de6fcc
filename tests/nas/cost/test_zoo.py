"""Every module of the zoo can be counted, on any device alike, and parts add up to networks."""

import numpy as np
import pytest
import torch

from plugnas import modules
from plugnas.modules import Site
from plugnas.nas.cost import NetworkCost, count
from plugnas.space import SearchSpace

SITE = Site(16, 7, 9, 2, 24)
ENTRIES = modules.entries()


def _count_on(entry, setting, device):
    slot = entry.contract
    with torch.device(device):
        module = modules.fuse(entry.build(SITE, setting))
        return count(module, *slot.inputs(SITE, 1), **slot.keywords(SITE))


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.key for entry in ENTRIES])
@pytest.mark.parametrize("settings", [slice(2), pytest.param(slice(2, 6), marks=pytest.mark.slow)])
def test_every_setting_is_counted_alike_on_cpu_and_meta(entry, settings):
    for setting in [s for s in entry.settings() if not entry.refusal(SITE, s)][settings]:
        on_cpu = _count_on(entry, setting, "cpu")
        on_meta = _count_on(entry, setting, "meta")
        for name in ("params", "macs", "elementwise"):
            assert getattr(on_cpu, name) == getattr(on_meta, name) >= 0, (name, setting)
        # Kernels may return other strides, so that a copy follows on one of the devices.
        assert 0.7 < on_cpu.memory / on_meta.memory < 1.4, setting


def _whole_zoo():
    return SearchSpace.from_config(
        {
            "stem": {"width": 16},
            "stages": [
                {"width": [16, 24], "depth": [1, 2]},
                {"width": 32, "depth": [1, 2], "stride": 2},
            ],
            "slots": {
                "operator": "all",
                "attention": "all",
                "fusion": "all",
                "activation": {"choices": "all", "scope": "stage"},
            },
            "context": "all",
            "pooling": "all",
        },
        (3, 20, 24),
        10,
    )


def test_parts_add_up_to_the_network_over_the_entire_zoo():
    space = _whole_zoo()
    codes = space.sample_codes(16, np.random.default_rng(0))
    costs = NetworkCost(space).costs_of(codes)
    for i, architecture in enumerate(space.architectures(codes)):
        with torch.device("meta"):
            network = modules.fuse(space.build(architecture))
            whole = count(network, torch.zeros(1, 3, 20, 24))
        assert whole.params == costs["params"][i] == sum(p.numel() for p in network.parameters())
        assert whole.macs == costs["macs"][i]
        assert whole.flops == costs["flops"][i]
        assert whole.elementwise == costs["elementwise"][i]
        # An eager network also holds its image, and what entered the stage that is running.
        assert costs["memory"][i] <= whole.memory
        assert whole.memory <= costs["memory"][i] + 4 * (3 + 16 + 24) * 20 * 24
