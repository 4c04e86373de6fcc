"""Whether one architecture may be trained at all, for those who search with another tool."""

from __future__ import annotations

from collections.abc import Mapping

from plugnas.nas.cost.budget import check_budget
from plugnas.nas.cost.errors import CostError
from plugnas.nas.cost.model import CostModel
from plugnas.nas.cost.network import NetworkCost
from plugnas.nas.cost.quantity import Quantity, quantity
from plugnas.space import Architecture, SearchSpace


class HardBudget:
    """Upper limits of costs that are exact before training.

    Args:
        space: what can be chosen.
        limits: name of a cost -> its limit, such as ``{"flops": "2M", "params": 50_000}``.
        cost: the costs of architectures; of a space with a network it is worked out where this
            is None.

    Raises:
        CostError: a space without a network, and no ``cost``.
        BudgetError: an unknown cost, or a budget that nothing meets.
        ConfigError: a limit that is no number.
    """

    def __init__(
        self, space: SearchSpace, limits: Mapping[str, Quantity], cost: CostModel | None = None
    ) -> None:
        if cost is None and not space.has_network:
            raise CostError(
                "a space without a network has no costs of its own: give `cost`, such as "
                "FunctionCost(lambda architecture: {'flops': 2e6}, ['flops'], space)"
            )
        self.space = space
        self.limits = {name: quantity(value, name) for name, value in limits.items()}
        self.cost = NetworkCost(space) if cost is None else cost
        check_budget(space, self.cost, self.limits)

    def refusal(self, architecture: Architecture) -> str | None:
        """Return why an architecture must not be trained; None if it may."""
        if (reason := self.space.refusal(architecture)) is not None:
            return reason
        costs = self.cost.cost(architecture)
        for name, limit in self.limits.items():
            if costs[name] > limit:
                return f"{name} is {costs[name]:g}, above the limit of {limit:g}"
        return None


__all__ = ["HardBudget"]
