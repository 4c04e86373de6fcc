"""Settings that build one network are one architecture: in sizes, samples, ids and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import SearchSpace, adapters

ATTENTION = [{"coord_attention": "all"}, {"eca": {"kernel_size": [0, 3, 5]}}, {"aft": "all"}, "se"]


def _space(scope: str = "block", **changes) -> SearchSpace:
    slots = {
        "operator": {"choices": [{"group_conv": {"groups": [4, 8, 16]}}], "scope": scope},
        "attention": {"choices": ATTENTION, "scope": scope},
    }
    job = {
        "stem": {"width": [8, 16]},
        "stages": [{"width": [8, 16], "depth": [1, 2], "stride": 2}],
        "slots": slots,
        **changes,
    }
    return SearchSpace.from_config(job, (1, 8, 8), 10)


def _all_rows(space: SearchSpace) -> np.ndarray:
    """Every combination of values, what is inactive dropped."""
    tree = space._tree
    raw = itertools.product(*(range(len(p.choices)) for p in space.parameters))
    return np.unique(tree.awake(np.array(list(raw), dtype=np.int16)), axis=0)


@pytest.mark.parametrize("scope", ["block", "stage", "network"])
def test_the_size_is_the_number_of_networks(scope):
    space = _space(scope, stages=[{"width": [8, 16], "depth": 1, "stride": 2}])
    rows = np.concatenate(list(space.enumerate()))
    assert len(rows) == len(np.unique(rows, axis=0)) == space.size
    every = space._tree.canonical(_all_rows(space))
    every = every[space.allowed(every)]
    assert {row.tobytes() for row in every} == {row.tobytes() for row in rows}
    assert space.size < len(_all_rows(space))


def test_no_two_architectures_are_one_network():
    space = _space(stages=[{"width": [8, 16], "stride": 2}])
    seen = []
    for architecture in space.architectures(np.concatenate(list(space.enumerate()))):
        stem, width = (int(architecture[name]) for name in ("stem.width", "stage1.width"))
        block = space.parts(architecture)[1].spec
        sites = {"operator": Site(stem, 8, 8, 2, width), "attention": Site(width, 4, 4)}
        network = [stem, width]
        for slot, site in sites.items():
            choice = getattr(block, slot)
            setting = dict(choice.setting)
            network.append(choice.key)
            network.append(adapters.canonical(modules.get(choice.key), slot, site, setting))
        seen.append(network)
    assert all(a != b for a, b in itertools.combinations(seen, 2))


def test_a_twin_is_the_same_architecture():
    space = _space(stages=[{"width": 8, "stride": 2}], stem={"width": 8})
    values = space.sample(np.random.default_rng(0)).values
    values = {k: v for k, v in values.items() if "block1.attention" not in k}
    name = "stage1.block1.attention"
    twins = [
        space.architecture(
            {**values, name: "coord_attention", f"{name}.coord_attention.reduction": r}
        )
        for r in (8, 16, 32)
    ]
    assert len({twin.id for twin in twins}) == 1
    assert twins[2][f"{name}.coord_attention.reduction"] == 8
    local = {**values, name: "aft", f"{name}.aft.mode": "local", f"{name}.aft.window": 16}
    full = {**values, name: "aft", f"{name}.aft.mode": "full"}
    assert space.architecture(local) == space.architecture(full)
    assert space.architecture(local).values == space.architecture(full).values


def test_moves_lead_to_other_networks():
    space, rng = _space(), np.random.default_rng(0)
    codes = space.sample_codes(200, rng)
    assert np.array_equal(codes, space._tree.canonical(codes))
    moved = space.mutate_codes(codes, rng)
    assert (moved != codes).any(1).all()
    assert np.array_equal(moved, space._tree.canonical(moved))
    mixed = space.crossover_codes(codes, moved, rng)
    assert np.array_equal(mixed, space._tree.canonical(mixed))
    for architecture in space.architectures(codes[:5]):
        near = [n.id for n in space.neighbours(architecture)]
        assert len(set(near)) == len(near)
        assert architecture.id not in near


def test_a_choice_for_several_blocks_is_merged_only_where_they_agree():
    # At width 8 groups of 8 and 16 are one convolution, at width 16 they are two.
    job = {
        "stem": {"width": 8},
        "stages": [{"width": 8}, {"width": 16, "depth": 2}],
        "slots": {
            "operator": {"choices": [{"group_conv": {"groups": [8, 16]}}], "scope": "network"}
        },
    }
    assert SearchSpace.from_config(job, (1, 8, 8), 10).size == 2
    job["stages"] = [{"width": 8}, {"width": 8}]
    assert SearchSpace.from_config(job, (1, 8, 8), 10).size == 1
    job["slots"]["operator"]["scope"] = "stage"
    job["stages"] = [{"width": 8}, {"width": 16}, {"width": 16}]
    assert SearchSpace.from_config(job, (1, 8, 8), 10).size == 2
