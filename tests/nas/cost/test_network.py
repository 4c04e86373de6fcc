"""NetworkCost: bulk look-up equals one at a time; its table; a user's own function."""

import json
import os

import numpy as np
import pytest

from plugnas.nas.cost import CostError, CostTable, FunctionCost, NetworkCost
from plugnas.space import SearchSpace

CONFIG = {
    "stem": {"width": 8},
    "stages": [
        {"width": [8, 12], "depth": [1, 2, 3]},
        {"width": 16, "depth": [1, 2], "stride": 2},
    ],
    "slots": {
        "operator": ["conv", {"mbconv": {"expansion": [2, 3]}}],
        "attention": ["none", "se"],
        "fusion": ["add"],
        "activation": {"choices": ["relu", "swish"], "scope": "network"},
    },
    "context": ["none"],
    "pooling": ["gap"],
}


@pytest.fixture
def space():
    operators = ["conv", "depthwise_separable"]
    config = {**CONFIG, "slots": {**CONFIG["slots"], "operator": operators}}
    return SearchSpace.from_config(config, (3, 16, 16), 10)


def test_bulk_equals_the_sum_of_the_breakdown(space):
    codes = space.sample_codes(60, np.random.default_rng(0))
    model = NetworkCost(space)
    costs = model.costs_of(codes)
    assert set(costs) == set(model.names)
    for i, architecture in enumerate(space.architectures(codes)):
        parts = NetworkCost(space).breakdown(architecture)
        assert [p.position for p in parts] == [p.position for p in space.parts(architecture)]
        for name in ("params", "macs", "flops", "elementwise"):
            assert costs[name][i] == sum(getattr(p, name) for p in parts)
        assert costs["memory"][i] == max(p.memory for p in parts)
        assert model.cost(architecture) == {name: costs[name][i] for name in costs}


def test_architectures_and_codes_agree_and_order_does_not_matter(space):
    codes = space.sample_codes(30, np.random.default_rng(1))
    model = NetworkCost(space)
    forward = model.costs_of(space.architectures(codes))["macs"]
    assert np.array_equal(NetworkCost(space).costs_of(codes[::-1])["macs"][::-1], forward)
    assert model.costs_of(codes[:0])["macs"].shape == (0,)


def test_combinations_too_many_for_mixed_radix_are_hashed(space, monkeypatch):
    codes = space.sample_codes(50, np.random.default_rng(2))
    expected = NetworkCost(space).costs_of(codes)["flops"]
    model = NetworkCost(space)
    rng = np.random.default_rng(0)
    for place in model._places:
        place._exact = False
        place._weights = rng.integers(2**64, size=len(place._free), dtype=np.uint64) | 1
    assert np.array_equal(model.costs_of(codes)["flops"], expected)
    model._places[1]._rows[:] = 7  # as a collision would look
    with pytest.raises(RuntimeError, match="share a 64-bit hash"):
        model.costs_of(codes)


def test_a_table_is_kept_and_reused(space, tmp_path, monkeypatch):
    codes = space.sample_codes(20, np.random.default_rng(3))
    model = NetworkCost(space)
    expected = model.costs_of(codes)
    path = tmp_path / "costs.json"
    model.table.save(path)
    table = CostTable.load(path)
    assert table.pieces == model.table.pieces
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(
        "plugnas.nas.cost.table._count_piece", lambda part: pytest.fail("counted again")
    )
    again = NetworkCost(space, table).costs_of(codes)
    assert all(np.array_equal(again[name], expected[name]) for name in expected)


def test_a_stale_table_is_counted_anew_and_a_foreign_file_is_an_error(space, tmp_path):
    path = tmp_path / "costs.json"
    assert len(CostTable.load(path)) == 0
    table = CostTable()
    table.counts(space.parts(space.sample(np.random.default_rng(0)))[0])
    table.save(path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "stamp": "another"}))
    assert len(CostTable.load(path)) == 0
    for text in ("not json", "[]", '{"other": 1}'):
        path.write_text(text)
        with pytest.raises(CostError, match="is not a cost table"):
            CostTable.load(path)


def test_a_space_without_a_network_has_nothing_to_count():
    with pytest.raises(CostError, match="pass your own `cost`"):
        NetworkCost(SearchSpace({"layer0": ["id", "mb3"]}))


def test_function_cost_is_asked_once_per_architecture():
    space = SearchSpace({"a": [1, 2, 3], "b": ["x", "y"]})
    calls = []

    def cost(architecture):
        calls.append(architecture.id)
        return {"flops": architecture["a"] * 10}

    model = FunctionCost(cost, ["flops"], space)
    codes = np.array([[0, 0], [2, 1], [0, 0]], dtype=np.int16)
    assert model.costs_of(codes)["flops"].tolist() == [10.0, 30.0, 10.0]
    assert model.costs_of(space.architectures(codes))["flops"].tolist() == [10.0, 30.0, 10.0]
    assert len(calls) == len(set(calls)) == 2
    assert model.cost(space.architectures(codes)[1]) == {"flops": 30.0}


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        ({"flops": float("nan")}, "finite"),
        ({"flops": "many"}, "finite"),
        ({"macs": 1}, "exactly"),
        (3.0, "exactly"),
    ],
)
def test_a_cost_function_that_breaks_its_contract(returned, text):
    space = SearchSpace({"a": [1, 2]})
    model = FunctionCost(lambda architecture: returned, ["flops"])
    with pytest.raises(CostError, match=text):
        model.cost(space.sample(np.random.default_rng(0)))
    with pytest.raises(CostError, match="needs FunctionCost"):
        model.costs_of(np.zeros((1, 1), dtype=np.int16))


def test_a_changed_figure_of_a_kept_table_is_an_error(space, tmp_path):
    """Defect: zeros in the place of counts were taken for the costs of every network."""
    path = tmp_path / "costs.json"
    table = CostTable()
    table.counts(space.parts(space.sample(np.random.default_rng(0)))[0])
    table.save(path)
    data = json.loads(path.read_text())
    key, shapes, *_ = data["pieces"][0]
    rows = (
        [[key, shapes, 0, 0, 0, 0]],
        [[key, shapes, 10**30, 0, 0, 0]],
        [[key, [[-1]], 1, 1, 1, 1]],
    )
    for pieces in (*rows, None, [3], [["x"]]):
        path.write_text(json.dumps({**data, "pieces": pieces}))
        with pytest.raises(CostError, match="is not a cost table"):
            CostTable.load(path)
    path.write_text("[" * 100_000)
    with pytest.raises(CostError, match="is not a cost table"):
        CostTable.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CostError, match="no regular file"):
        CostTable.load(path)
