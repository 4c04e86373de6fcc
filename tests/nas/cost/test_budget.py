"""Budgets are checked on exact costs before anything runs."""

from __future__ import annotations

import pytest

from plugnas.nas.cost import FunctionCost, NetworkCost
from plugnas.nas.cost.budget import BudgetError, cheapest, check_budget, least
from plugnas.space import SearchSpace

PLAIN = SearchSpace({f"x{i}": [5, 3, 9, 7] for i in range(12)})
COST = FunctionCost(lambda a: {"flops": float(sum(a.values.values()))}, ("flops",), PLAIN)


def test_descent_finds_the_cheapest():
    architecture, value = cheapest(PLAIN, COST, "flops")
    assert value == 36
    assert set(architecture.values.values()) == {3}


def test_budgets_that_can_and_cannot_be_met():
    check_budget(PLAIN, COST, {"flops": 36})
    with pytest.raises(BudgetError, match=r"flops <= 35; the cheapest has flops = 36"):
        check_budget(PLAIN, COST, {"flops": 35})
    with pytest.raises(BudgetError, match="did you mean `flops`"):
        check_budget(PLAIN, COST, {"flop": 100})
    many = {"flops": 0.5}
    with pytest.raises(BudgetError, match=r"flops <= 0.5; the cheapest has flops = 36"):
        check_budget(PLAIN, COST, many)
    with pytest.raises(BudgetError, match="known before training: none"):
        check_budget(PLAIN, None, {"flops": 100})


def test_several_limits_on_a_network():
    space = SearchSpace.from_config(
        {"stages": [{"width": [8, 32], "depth": [1, 2]}], "slots": {"attention": ["none", "se"]}},
        (3, 8, 8),
        4,
    )
    cost = NetworkCost(space)
    architecture, excess = least(space, cost, {"params": 1, "flops": 1})
    assert excess > 0
    assert architecture["stage1.width"] == 8
    assert architecture["stage1.depth"] == 1
    assert architecture["stage1.block1.attention"] == "none"
