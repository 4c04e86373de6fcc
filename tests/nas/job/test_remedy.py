"""A budget that nothing meets names the least change that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugnas.nas.cost.budget import BudgetError
from plugnas.nas.job.config import parse
from plugnas.nas.job.prepared import prepare
from plugnas.nas.job.remedy import check_job_budget

SPACE = {"stem": {"width": 16}, "stages": [{"width": [16, 32]}, {"width": 32, "stride": 2}]}


@pytest.fixture(scope="module")
def prepared():
    return prepare(parse({"space": SPACE, "data": "digits"}), Path())


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (300e3, r"with `stem: \{stride: 2\}` the cheapest has flops = [\d.]+k, which fits"),
        (60e3, r"with a quarter of the widths of stem and stages the cheapest has flops = [\d.]+k"),
        (100, r"nearest comes a quarter of the widths .*, with flops = [\d.]+k"),
    ],
)
def test_the_least_change_that_fits_is_named(prepared, limit, words):
    with pytest.raises(BudgetError, match=words) as found:
        check_job_budget(prepared, {"flops": limit})
    assert "e+0" not in str(found.value)


def test_a_budget_that_can_be_met_passes(prepared):
    check_job_budget(prepared, {"flops": 1e9})
