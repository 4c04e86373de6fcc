"""What is to be found: a space, objectives, a budget, and the costs that are known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.front.pareto import DIRECTIONS
from plugnas.space import Architecture, SearchSpace

if TYPE_CHECKING:
    from plugnas.nas.cost import CostModel
    from plugnas.nas.ledger.measurement import Measurement
    from plugnas.nas.samplers.known.preference import Preference


class ProblemError(PlugnasError):
    """Objectives, budget and costs do not belong together, or a sampler cannot serve them."""


class SpaceExhausted(PlugnasError):
    """Every architecture within the budget has been asked for."""


class Hint(Protocol):
    """What is known of architectures before anything is measured."""

    name: str
    width: int

    def values(self, codes: NDArray[np.int16], costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what it says of code rows with these costs, in columns (n, width).

        More is better; about 0 on average and 1 apart.
        """


@dataclass(frozen=True)
class Problem:
    """A search problem.

    ``objectives`` maps a name to ``max`` or ``min``; one that ``cost`` names is known before
    anything is trained, the others have to be measured. ``budget`` maps a cost to its hard upper
    limit. ``levels`` maps a cost to several limits: sought is then the best within each of them
    (``aim: limits``) rather than the front. ``hints`` say something of architectures before
    anything is measured, ``preference`` what the user expects of choices.

    Raises:
        ProblemError: an unknown direction or cost, a limit that is no number, nothing to measure.
    """

    space: SearchSpace
    objectives: Mapping[str, str] = field(default_factory=lambda: {"accuracy": "max"})
    budget: Mapping[str, float] = field(default_factory=dict)
    cost: CostModel | None = None
    seed: int = 0
    levels: Mapping[str, Sequence[float]] = field(default_factory=dict)
    hints: tuple[Hint, ...] = ()
    preference: Preference | None = None

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ProblemError("a search needs at least one objective, such as accuracy: max")
        for name, direction in self.objectives.items():
            if direction not in DIRECTIONS:
                raise ProblemError(
                    f"the direction of objective `{name}` is max or min, not {direction!r}"
                )
        for name, limit in self.budget.items():
            if name not in self.cost_names:
                listed = ", ".join(self.cost_names) or "none are, for no cost was given"
                raise ProblemError(
                    f"a budget limits a known cost, but `{name}` is none{self._guess(name)} "
                    f"(known: {listed})"
                )
            if not isinstance(limit, int | float) or not np.isfinite(limit):
                raise ProblemError(f"the budget of `{name}` must be a finite number, not {limit!r}")
        for name, levels in self.levels.items():
            self._check_levels(name, levels)
        if not self.measured:
            raise ProblemError(
                f"every objective ({', '.join(self.objectives)}) is a known cost, so there is "
                "nothing to search for; add one that an evaluation returns, such as accuracy: max"
            )

    def _check_levels(self, name: str, levels: Sequence[float]) -> None:
        if self.objectives.get(name) != "min" or name not in self.cost_names:
            raise ProblemError(
                f"`limits` are those of a known cost that is an objective to be `min`, but "
                f"`{name}` is none{self._guess(name)}; add {name}: min to the objectives"
            )
        if not len(levels) or not all(np.isfinite(v) and v > 0 for v in levels):
            raise ProblemError(
                f"limits.{name} is a list of finite numbers above 0, not {list(levels)!r}"
            )

    @cached_property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the costs that are known beforehand."""
        return () if self.cost is None else tuple(self.cost.names)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Objectives whose values are exact and free."""
        return tuple(name for name in self.objectives if name in self.cost_names)

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Objectives that only an evaluation can tell."""
        return tuple(name for name in self.objectives if name not in self.cost_names)

    def sign(self, name: str) -> float:
        """Return the factor that makes more of an objective better."""
        return 1.0 if self.objectives[name] == "max" else -1.0

    def costs(self, codes: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return the costs of code rows, float64 (n, number of costs) in the order of names."""
        if self.cost is None or len(codes) == 0:
            return np.zeros((len(codes), len(self.cost_names)))
        table = self.cost.costs_of(codes)
        columns = [np.asarray(table[name], dtype=np.float64) for name in self.cost_names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))

    def excess(self, costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by what fraction of each limit cost rows are above it (n, limits); 0 is within."""
        over = [
            np.maximum(costs[:, self.cost_names.index(name)] - limit, 0.0) / (abs(limit) or 1.0)
            for name, limit in self.budget.items()
        ]
        return np.stack(over, axis=1) if over else np.zeros((len(costs), 0))

    def within(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which cost rows keep every limit."""
        return np.all(self.excess(costs) <= 0, axis=1)

    def fitting(self, values: Mapping[str, Any]) -> Architecture | None:
        """Return the architecture of recorded values; None where space or budget refuse it."""
        try:
            architecture = self.space.adopt(values)
            if self.space.refusal(architecture) is not None:
                return None
            costs = {} if self.cost is None else self.cost.cost(architecture)
        except (PlugnasError, TypeError, ValueError, KeyError):  # also values that are no choices
            return None
        within = all(costs.get(name, 0.0) <= limit for name, limit in self.budget.items())
        return architecture if within else None

    def rng(self, number: int) -> np.random.Generator:
        """Return the random stream of the ask with this number."""
        return np.random.default_rng([self.seed, number])

    def _guess(self, name: str) -> str:
        return did_you_mean(name, self.cost_names).removesuffix("?")

    def measured_values(self, measurement: Measurement) -> NDArray[np.float64] | None:
        """Return the measured objectives of a measurement, more is better; None if it has none.

        A failed measurement has none, nor one with a value that is not finite, nor one at a rung
        that only ranks (a zero-cost score: it has a signal instead).

        Raises:
            ProblemError: an evaluation that succeeded returned neither an objective nor a signal.
        """
        if not measurement.ok:
            return None
        for name in self.measured:
            if name not in measurement.values:
                if measurement.signal is not None:
                    return None
                returned = ", ".join(sorted(measurement.values)) or "nothing"
                raise ProblemError(
                    f"no evaluation returns the objective `{name}`: it returned {returned}"
                    f"{did_you_mean(name, measurement.values)}"
                )
        values = np.array([self.sign(n) * float(measurement.values[n]) for n in self.measured])
        return values if np.isfinite(values).all() else None


__all__ = ["Hint", "Problem", "ProblemError", "SpaceExhausted"]
