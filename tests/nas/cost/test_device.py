"""RAM and flash of a device: by hand, over pieces, and as the exported program has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.nas.cost import NetworkCost, count
from plugnas.nas.cost.budget import check_budget
from plugnas.nas.cost.table import CostTable
from plugnas.nas.job import config as jobs
from plugnas.space import SearchSpace
from plugnas.space.typed import ConfigError

SPACE = {
    "stem": {"width": 8},
    "stages": [{"width": [8, 12], "depth": [1, 2], "stride": 2}],
    "slots": {
        "operator": ["conv", "ghost", "mbconv"],
        "attention": ["none", "se", "cbam"],
        "activation": {"choices": ["relu", "hardswish"], "scope": "network"},
    },
}


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(jobs.parse({"space": SPACE}).space, (3, 16, 16), 10)


@pytest.fixture(scope="module")
def networks(space):
    return space.architectures(space.sample_codes(6, np.random.default_rng(0)))


def test_by_hand():
    layer = nn.Conv2d(3, 8, 3, padding=1)
    counted = count(layer, torch.zeros(1, 3, 10, 10))
    values, weights = (3 + 8) * 100, 8 * 3 * 9
    assert [counted.ram(d) for d in ("float32", "float16", "bfloat16", "int8")] == [
        4 * values, 2 * values, 2 * values, values,
    ]  # fmt: skip
    assert counted.flash("float32") == 4 * (weights + 8)
    assert counted.flash("bfloat16") == 2 * (weights + 8)
    assert counted.flash("int8") == weights + 4 * 8  # the bias keeps 4 bytes


def test_buffers_are_kept_too_but_not_how_many_batches_a_norm_has_seen():
    norm = nn.BatchNorm2d(4)
    assert count(norm.eval(), torch.zeros(1, 4, 2, 2)).flash("float32") == 4 * 4 * 4


def _allocated(program):
    """Return the peak of what a program's graph holds, each storage until its last use."""
    inputs = {
        s.arg.name for s in program.graph_signature.input_specs if s.kind.name == "USER_INPUT"
    }

    def storages(node):
        value = node.meta.get("val")
        listed = value if isinstance(value, list | tuple) else [value]
        return [t.untyped_storage() for t in listed if isinstance(t, torch.Tensor)]

    kept, spans = set(), {}
    for time, node in enumerate(program.graph.nodes):
        if node.op == "placeholder" and node.name not in inputs:
            kept |= {s._cdata for s in storages(node)}
        for other in (node, *node.all_input_nodes):
            for s in storages(other):
                born, _, size = spans.get(s._cdata, (time, time, s.nbytes()))
                spans[s._cdata] = (born, time, size)
    own = [span for key, span in spans.items() if key not in kept]
    return max(sum(size for a, b, size in own if a <= t <= b) for t in range(time + 1))


def test_the_exported_program_allocates_as_much(space, networks):
    """Sums over pieces; the image alone lives longer here, while the stem runs."""
    cost, image = NetworkCost(space, dtype="float32"), 4 * 3 * 16 * 16
    for architecture in networks[:3]:
        network = modules.fuse(space.build(architecture)).requires_grad_(requires_grad=False)
        program = torch.export.export(network, (torch.zeros(1, 3, 16, 16),))
        own = cost.cost(architecture)
        kept = {**program.state_dict, **program.constants}
        assert own["flash"] == sum(
            t.numel() * t.element_size() for n, t in kept.items() if "num_batches" not in n
        )
        assert own["ram"] - _allocated(program) in (0, image)


def test_in_int8_a_value_takes_a_byte(space, networks):
    whole, small = (NetworkCost(space, dtype=d).cost(networks[0]) for d in ("float32", "int8"))
    assert small["ram"] == whole["ram"] / 4
    assert whole["flash"] / 4 < small["flash"] < whole["flash"]


def test_a_table_keeps_the_bytes(space, networks, tmp_path):
    cost = NetworkCost(space, dtype="float16")
    before = cost.cost(networks[0])
    cost.table.save(tmp_path / "costs.json")
    again = NetworkCost(space, CostTable.load(tmp_path / "costs.json"), dtype="float16")
    assert len(again.table) == len(cost.table)
    assert again.cost(networks[0]) == before


def test_without_a_dtype_there_are_none(space, networks):
    assert not {"ram", "flash"} & NetworkCost(space).cost(networks[0]).keys()
    assert not {"ram", "flash"} & set(NetworkCost(space).names)


def test_a_job_limits_them_in_the_dtype_of_its_device(space):
    job = jobs.parse({"space": SPACE, "budget": {"flash": "64k"}, "latency": {"dtype": "int8"}})
    assert job.device_dtype == "int8"
    assert jobs.parse({"space": SPACE}).device_dtype is None
    cost = NetworkCost(space, dtype="int8")
    check_budget(space, cost, {"flash": 64_000, "ram": 64_000})
    with pytest.raises(Exception, match="no architecture found meets the budget flash <= 10"):
        check_budget(space, cost, {"flash": 10})
    with pytest.raises(ConfigError, match=r"objectives\.ram must be `min`"):
        jobs.parse({"space": SPACE, "objectives": {"accuracy": "max", "ram": "max"}})
