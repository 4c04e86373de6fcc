"""What a search returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugnas.nas.front import member as fronts
from plugnas.nas.front import pareto
from plugnas.nas.front import pick as picks
from plugnas.nas.front.member import Member
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.study.drive import Outcome
from plugnas.nas.study.plan import Plan


@dataclass(frozen=True)
class Result:
    """Every measurement of a search, in the order told, and the front they make.

    ``reason`` says how the search ended: ``done``, ``exhausted`` (the space or budget has no more),
    ``timeout`` or ``interrupted``.
    """

    measurements: Sequence[Measurement]
    objectives: Mapping[str, str]
    budget: Mapping[str, float] = field(default_factory=dict)
    top_rung: int | None = None
    reason: str = "done"
    run_dir: Path | None = None

    @classmethod
    def of(
        cls,
        plan: Plan,
        measurements: Sequence[Measurement],
        outcome: Outcome,
        run_dir: Path | None,
    ) -> Result:
        """Return the result of a plan that was driven to its end."""
        return cls(
            measurements=measurements,
            objectives=plan.problem.objectives,
            budget=plan.problem.budget,
            top_rung=plan.top_rung,
            reason=outcome.reason,
            run_dir=run_dir,
        )

    @property
    def members(self) -> list[Member]:
        """What was measured at the highest rung, one entry per architecture."""
        return fronts.members(self.measurements, self.top_rung)

    @property
    def front(self) -> list[Member]:
        """The non-dominated members within budget, cheapest first."""
        return fronts.front(self.members, self.objectives, self.budget)

    @property
    def failures(self) -> list[Measurement]:
        """Evaluations that failed, with their reasons."""
        return [m for m in self.measurements if not m.ok]

    def pick(self, text: str) -> Member:
        """Return the member a pick names: ``knee``, ``smallest:0.98``, ``flops<=2M``, an id."""
        return picks.pick(text, self.members, self.objectives, self.budget)

    def hypervolume(self, reference: Sequence[float] | None = None) -> float:
        """Return the front's hypervolume; the reference point is by default that of all members."""
        directions = list(self.objectives.values())
        points = fronts.table(self.members, self.objectives)
        if not len(points):
            return 0.0
        corner = pareto.reference_point(points, directions) if reference is None else reference
        return pareto.hypervolume(points, corner, directions)

    def table(self) -> list[dict[str, Any]]:
        """Return every measurement as a flat record: one value per column, no nesting."""
        return [tidy(m) for m in self.measurements]


def tidy(m: Measurement) -> dict[str, Any]:
    """Return a measurement as a flat record; choices are columns named as parameters are."""
    return {
        "number": m.number,
        "id": m.architecture.id,
        "rung": m.rung,
        "seed": m.seed,
        "attempt": m.attempt,
        "status": m.status,
        "reason": m.reason,
        "signal": m.signal,
        "seconds": m.seconds,
        "cpu_seconds": m.cpu_seconds,
        **m.values,
        **m.costs,
        **m.architecture.values,
    }
