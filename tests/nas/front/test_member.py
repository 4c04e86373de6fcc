"""Members, fronts and picks from measurements written by hand."""

from __future__ import annotations

import math

import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.front import member as fronts
from plugnas.nas.front import pick as picks
from plugnas.nas.front.pick import PickError
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import SearchSpace

SPACE = SearchSpace({"a": [str(i) for i in range(30)]})
OBJECTIVES = {"accuracy": "max", "flops": "min"}


def m(a, accuracy, flops, *, rung=1, seed=0, status="ok", number=0):
    return Measurement(
        number=number,
        architecture=SPACE.architecture({"a": str(a)}),
        rung=rung,
        seed=seed,
        status=status,
        values={"accuracy": accuracy} if status == "ok" else {},
        costs={"flops": float(flops), "params": 1.0},
    )


RECORDS = [
    m(0, 0.50, 1e3),
    m(1, 0.90, 1e4),
    m(2, 0.80, 2e4),  # dominated by 1
    m(3, 0.99, 1e6),
    m(4, 0.99, 1e6),  # equals 3: the first stays
    m(5, 1.00, 1e2, rung=0),  # a lower rung never enters
    m(6, 1.00, 1e2, status="failed"),
    m(7, math.nan, 1.0),
    m(8, 0.95, 1e5, seed=0, number=8),
    m(8, 0.97, 1e5, seed=1, number=8),
]


def ids(found):
    return [member.architecture["a"] for member in found]


def test_front_and_its_definitions():
    found = fronts.members(RECORDS, 1)
    on = fronts.front(found, OBJECTIVES)
    assert ids(on) == ["0", "1", "8", "3"]
    eight = on[2]
    assert eight["accuracy"] == pytest.approx(0.96)
    assert eight.n == 2
    assert eight.spread["accuracy"] == pytest.approx(0.02 / math.sqrt(2))
    assert eight.numbers == (8, 8)
    assert math.isnan(on[0].spread["accuracy"])
    assert ids(fronts.members(RECORDS, rung=0)) == ["5"]
    assert fronts.members([], 0) == []


def test_budget():
    found = fronts.members(RECORDS, 1)
    assert ids(fronts.front(found, OBJECTIVES, {"flops": 1e5})) == ["0", "1", "8"]
    with pytest.raises(PlugnasError, match="no cost `watts`"):
        fronts.front(found, OBJECTIVES, {"watts": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("best", "3"),
        ("smallest:0.9", "1"),
        ("smallest:0.96", "8"),
        ("flops<=20k", "1"),
        ("flops<=2e4", "1"),
        ("knee", "1"),
    ],
)
def test_picks(text, expected):
    found = fronts.members(RECORDS, 1)
    assert picks.pick(text, found, OBJECTIVES, {}).architecture["a"] == expected


def test_picks_by_id():
    found = fronts.members(RECORDS, 1)
    for member in found:
        assert picks.pick(member.id[:8], found, OBJECTIVES, {}) is member
    with pytest.raises(PickError, match="begins"):
        picks.pick(found[0].id[:4], [found[0], found[0]], OBJECTIVES, {})


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("smallest:0.999", "nothing reaches accuracy 0.999"),
        ("flops<=10", "nothing has flops"),
        ("flops<=fast", "must be a number"),
        ("watts<=10", "no cost `watts`"),
        ("zzz", "is no pick"),
        ("", "is no pick"),
    ],
)
def test_bad_picks(text, law):
    with pytest.raises(PlugnasError, match=law):
        picks.pick(text, fronts.members(RECORDS, 1), OBJECTIVES, {})


def test_no_front_no_pick():
    with pytest.raises(PickError, match="no architecture has finished"):
        picks.pick("best", [], OBJECTIVES, {})


def test_best_within_steps():
    on = fronts.front(fronts.members(RECORDS, 1), OBJECTIVES)
    steps = picks.best_within_steps(on, "flops", fronts.main_of(on, OBJECTIVES))
    assert [(step, member.architecture["a"]) for step, member in steps] == [
        (1e3, "0"),
        (1e4, "1"),
        (1e5, "8"),
        (1e6, "3"),
    ]
