"""The costs of a plugged host: the whole host and what is plugged in, exact to the last digit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from plugnas import modules
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.counter import count
from plugnas.nas.job.config import parse
from plugnas.nas.job.prepared import relative_to_host
from plugnas.space import SearchSpace
from plugnas.space.host import HostError
from plugnas.space.typed import ConfigError

NETWORKS = Path(__file__).parents[2] / "space" / "host"
TINY = [
    {"after": "layer[1-3]", "slot": "attention", "choices": ["none", "se", {"cbam": "all"}]},
    {"after": "layer3.*.bn2", "slot": "attention", "choices": ["none", {"family": "channel"}]},
    {"after": "layer*.*.conv2", "slot": "context", "choices": ["none", "aspp"]},
    {"replace": "layer*.*.conv2", "slot": "operator",
     "choices": ["keep", "do_conv", "ac_block", "involution"]},
    {"replace": "*.relu", "slot": "activation", "choices": ["keep", "silu", "hard_swish", "frelu"]},
]  # fmt: skip
# Here norms are folded into convolutions: plugs and replacements stand between and behind them.
CHAIN = [
    {"after": "[01].*", "slot": "attention", "choices": ["none", "se", "cbam"]},
    {"replace": "[01].0", "slot": "operator",
     "choices": ["keep", "do_conv", "ac_block", "involution"]},
    {"replace": "*.2", "slot": "activation", "choices": ["keep", "silu", "hard_swish"]},
]  # fmt: skip
FOREIGN = [
    {"after": "layer[2-4]", "slot": "attention", "choices": ["none", "se", "cbam"]},
    {"replace": "layer4.*.conv2", "slot": "operator", "choices": ["keep", "do_conv", "ghost"]},
    {"replace": "*.relu", "slot": "activation", "choices": ["keep", "silu"], "together": "all"},
]
MOBILE = [
    {"after": "features.[3-8].block.*", "slot": "attention", "choices": ["none", "se", "eca"]},
    {"replace": "features.*.block.0.0", "slot": "operator", "choices": ["keep", "do_conv"]},
    {"replace": "features.*.block.0.2", "slot": "activation", "choices": ["keep", "swish"]},
]


def space_of(model, sites, start="identity", shape=(3, 16, 16), **host):
    section = {"host": {"model": model, **host}, "sites": sites, "start": start}
    return SearchSpace.from_config(section, shape, 10, base=NETWORKS)


def check(space, draws, shape):
    cost, rng = NetworkCost(space), np.random.default_rng(0)
    for _ in range(draws):
        architecture = space.sample(rng)
        network = modules.fuse(space.build(architecture))
        whole = count(network, torch.zeros(1, *shape))
        costs = cost.cost(architecture)
        for name in ("params", "macs", "flops", "elementwise"):
            assert costs[name] == getattr(whole, name), (name, architecture)


@pytest.mark.parametrize("start", ["identity", "plain"])
@pytest.mark.parametrize(("model", "sites"), [("tiny", TINY), ("Chain", CHAIN)])
def test_parts_add_up_to_the_whole(model, sites, start):
    check(space_of(f"networks.py:{model}", sites, start), 10, (3, 16, 16))


@pytest.mark.parametrize(
    ("model", "sites"), [("resnet18", FOREIGN), ("mobilenet_v3_small", MOBILE)]
)
def test_parts_add_up_in_other_peoples_networks(model, sites):
    shape = (3, 32, 32)
    check(space_of(f"torchvision.models:{model}", sites, shape=shape), 2, shape)


def test_a_record_needs_no_code(tmp_path):
    import msgspec

    space = space_of("networks.py:tiny", TINY[:2])
    cost = NetworkCost(space)
    counts = {
        n: getattr(cost.host_counts(), n) for n in ("params", "macs", "elementwise", "memory")
    }
    section = {"host": {"model": "networks.py:tiny"}, "sites": TINY[:2]}
    bare, full = (
        SearchSpace.from_config(
            section, (3, 16, 16), 10, base=tmp_path,
            trace=msgspec.structs.replace(space.host.trace, counts=known),
        )
        for known in (None, counts)
    )  # fmt: skip
    architecture = space.sample(np.random.default_rng(0))
    again = full.architecture(architecture.values)
    assert NetworkCost(full).cost(again) == cost.cost(architecture)
    with pytest.raises(HostError, match="known by its record alone"):
        NetworkCost(bare).cost(bare.architecture(architecture.values))


def test_a_budget_may_be_relative_to_the_host():
    job = {"space": {"host": {"model": "networks.py:tiny"}, "sites": TINY[:1]}, "data": "digits"}
    cost = NetworkCost(space_of("networks.py:tiny", TINY[:1]))
    host = cost.host_counts()
    budget = {"flops": "host + 5%", "params": "host", "macs": "host - 2.5 %", "memory": "2M"}
    resolved = relative_to_host(parse({**job, "budget": budget}), cost)
    assert resolved.limits == {
        "flops": 1.05 * host.flops, "params": host.params, "macs": 0.975 * host.macs, "memory": 2e6
    }  # fmt: skip
    for wrong, words in {
        "host * 2": r"write `host \+ 5%` or `host - 10%`",
        "host - 100%": "write `host",
    }.items():
        with pytest.raises(ConfigError, match=words):
            parse({**job, "budget": {"flops": wrong}})
    with pytest.raises(ConfigError, match="relative to the host can be params"):
        parse({**job, "budget": {"latency_ms": "host + 5%"}})
    skeleton = {"space": {"stages": [{"width": 8}]}, "budget": {"flops": "host + 5%"}}
    with pytest.raises(ConfigError, match="`space` names none"):
        parse(skeleton)
