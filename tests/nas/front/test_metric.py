"""How values of an objective are written."""

from __future__ import annotations

import math

import pytest

from plugnas.nas.front.metric import Metric, is_share, main_objective, metric


@pytest.mark.parametrize(
    ("name", "values", "percent"),
    [
        ("accuracy", [0.0, 1.0, math.nan], True),
        ("miou", [0.5], True),
        ("accuracy_int8", [0.5, 0.9], True),  # of the quantised network
        ("accuracy", [0.5, 1.2], False),  # a value outside 0..1 is never a percentage
        ("accuracy", [98.7], False),
        ("accuracy", [], True),
        ("loss", [0.5], False),
        ("score", [0.5], False),
    ],
)
def test_percent_is_for_shares_alone(name, values, percent):
    assert is_share(name, values) is percent
    assert metric(name, "max", values).percent is percent


def test_texts():
    share, plain = Metric("accuracy", "max", percent=True), Metric("loss", "min")
    assert (share.text(0.987), plain.text(0.43125), share.text(math.nan)) == (
        "98.70 %",
        "0.4313",
        "",
    )
    assert share.mean_text(0.98, 0.004) == "98.00 ± 0.40 %"
    assert plain.mean_text(1.5, 0.25) == "1.5 ± 0.25"
    assert plain.mean_text(1.5, math.nan) == "1.5"
    assert (share.change_text(0.0035), plain.change_text(-0.5)) == ("+0.35", "-0.5")
    assert share.better(0.9, 0.8)
    assert plain.better(0.8, 0.9)


def test_the_main_objective_is_the_first_that_is_no_cost():
    asked = {"flops": "min", "loss": "min", "accuracy": "max"}
    assert main_objective(asked, ("flops", "params")) == "loss"
    assert main_objective({"flops": "min"}, ("flops",)) == "flops"
