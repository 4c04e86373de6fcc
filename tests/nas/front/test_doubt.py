"""Intervals of accuracies, and steps of a front that are within the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest

from plugnas.nas.front import pick as picks
from plugnas.nas.front.doubt import interval, light, sure, told_apart, wilson
from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import Metric

ACCURACY = Metric("accuracy", "max", percent=True)
OBJECTIVES = {"accuracy": "max", "flops": "min"}


@dataclass(frozen=True)
class Named:
    id: str


def member(accuracy, flops, *, images=359, n=1, spread=math.nan):
    return Member(
        Named(f"{flops:g}"), 0, {"accuracy": accuracy}, {"flops": flops}, {"accuracy": spread}, n,
        tuple(range(n)), images,
    )  # fmt: skip


def test_wilson_s_interval_by_known_values():
    assert wilson(0.9, 100) == pytest.approx((0.8256343, 0.9447708), abs=1e-6)
    assert wilson(1.0, 20) == pytest.approx((0.8388749, 1.0), abs=1e-6)
    assert wilson(0.0, 20)[0] == 0


def test_an_interval_comes_of_images_and_of_seeds():
    assert interval(member(0.9, 1, images=100), ACCURACY) == wilson(0.9, 100)
    assert interval(member(0.9, 1, images=None), ACCURACY) is None
    of_seeds = interval(member(0.9, 1, images=None, n=3, spread=0.01), ACCURACY)
    assert of_seeds == pytest.approx((0.9 - 4.303 * 0.01 / 3**0.5, 0.9 + 4.303 * 0.01 / 3**0.5))
    low, high = interval(member(0.9, 1, images=100, n=3, spread=0.01), ACCURACY)
    assert low < wilson(0.9, 100)[0] and high > wilson(0.9, 100)[1]
    loss = Metric("loss", "min")
    assert interval(member(0.9, 1), loss) is None  # no share of images, one seed


def test_one_image_of_359_is_no_step():
    one = 1 / 359
    assert not told_apart(member(0.95, 1), member(0.95 + one, 2), ACCURACY)
    assert told_apart(member(0.80, 1), member(0.90, 2), ACCURACY)
    assert told_apart(member(0.90, 2), member(0.80, 1), ACCURACY)
    assert told_apart(member(0.95, 1, images=None), member(0.9501, 2, images=None), ACCURACY)
    assert not told_apart(member(0.95, 1, images=10_000), member(0.953, 2, images=10_000), ACCURACY)
    assert told_apart(member(0.95, 1, images=100_000), member(0.953, 2, images=100_000), ACCURACY)


def test_steps_within_the_noise_are_light_and_never_the_knee():
    front = [member(0.60, 1e5), member(0.95, 4e5), member(0.955, 4.2e5), member(0.958, 5e6)]
    assert light(front, ACCURACY) == {"420000", "5e+06"}
    assert [m.id for m in sure(front, ACCURACY)] == ["100000", "400000"]
    assert picks.knee(front, OBJECTIVES).id in {"100000", "400000"}
    tiny = [member(0.950, 1e5), member(0.9505, 1.1e5), member(0.951, 9e6)]
    assert picks.knee(tiny, OBJECTIVES).id == "100000"
    known = [member(m["accuracy"], m["flops"], images=None) for m in tiny]
    assert picks.knee(known, OBJECTIVES).id == "110000"


def test_an_interval_that_the_evaluation_told_takes_the_place_of_the_binomial_one():
    miou = Metric("miou", "max", percent=True)
    told = Member(
        Named("a"), 0, {"miou": 0.5}, {}, {"miou": math.nan}, 1, (0,), 100,
        intervals={"miou": (0.46, 0.53)},
    )  # fmt: skip
    assert interval(told, miou) == pytest.approx((0.46, 0.53))
    of_seeds = replace(told, spread={"miou": 0.01}, n=3)
    error = 4.303 * 0.01 / math.sqrt(3)
    low, high = interval(of_seeds, miou)
    assert low == pytest.approx(0.5 - math.hypot(0.04, error))
    assert high == pytest.approx(0.5 + math.hypot(0.03, error))
    assert interval(replace(told, intervals={}), miou) is None  # miou counts no images
