"""A run: what was measured and fits the space, the front it makes. What a search returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugnas.nas.front import member as fronts
from plugnas.nas.front.box import Box
from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import Metric, main_objective, metric
from plugnas.nas.front.pick import pick
from plugnas.nas.ledger.fitting import (
    Fitted,
    Misfit,
    is_settled,
    read_fitting,
    recorded_space,
)
from plugnas.nas.ledger.lines import Contents
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.files import RunError
from plugnas.nas.run.python_run import PythonRun, Run, read_run
from plugnas.space import Architecture, SearchSpace

if TYPE_CHECKING:  # who only reads needs none of it, nor torch
    from plugnas.nas.run.directory import RunDirectory
    from plugnas.nas.study.drive import Outcome
    from plugnas.nas.study.plan import Plan
    from plugnas.nas.study.study import Study


@dataclass(frozen=True)
class RunView:
    """A run: the measurements that fit its space, in the order told, and the front they make.

    ``recorded`` is the ledger without its records: headers, and what does not fit. ``top_rung`` is
    the highest rung asked for: members and front take no other. ``reason`` says how a search
    ended that was run just now: ``done``, ``exhausted`` (the space or budget has no more),
    ``timeout`` or ``interrupted``; None for a run that was opened.
    """

    space: SearchSpace
    measurements: tuple[Measurement, ...]
    objectives: Mapping[str, str]
    budget: Mapping[str, float]
    top_rung: int = 0
    recorded: Fitted = field(default_factory=Fitted)
    reason: str | None = None
    directory: Run | None = None

    @classmethod
    def open(
        cls,
        run: Run,
        objectives: Mapping[str, str] | None = None,
        budget: Mapping[str, float] | None = None,
    ) -> RunView:
        """Read a run, also one that is under way; objectives and budget are the run's if None.

        Raises:
            PlugnasError: a damaged ledger.
        """
        return cls._read(run, run.space(), objectives, budget)

    @classmethod
    def light(cls, run: Run) -> RunView:
        """Read a run for its figures alone: where that is the same, no network is compiled.

        The space is then the ledger's own, without a network behind it.

        Raises:
            PlugnasError: a damaged ledger.
        """
        contents = run.contents
        space = recorded_space(contents) if is_settled(contents) else run.space()
        return cls._read(run, space, contents=contents)

    @classmethod
    def _read(
        cls,
        run: Run,
        space: SearchSpace,
        objectives: Mapping[str, str] | None = None,
        budget: Mapping[str, float] | None = None,
        contents: Contents | None = None,
    ) -> RunView:
        found = read_fitting(run.ledger, space, run.costs, contents)
        return cls(
            space,
            found.measurements,
            run.objectives if objectives is None else objectives,
            run.budget if budget is None else budget,
            run.top_rung,
            found.slim,
            directory=run,
        )

    @classmethod
    def of(
        cls,
        plan: Plan,
        measurements: Sequence[Measurement],
        outcome: Outcome,
        directory: Run | None = None,
        before: Fitted | None = None,
    ) -> RunView:
        """Return the view of a plan that was driven to its end; ``before`` is what it continued.

        Args:
            plan: what was searched.
            measurements: all of it, those of earlier sessions too.
            outcome: how the session ended.
            directory: where the run is kept, if it is.
            before: the ledger as it was continued.
        """
        return cls(
            plan.problem.space,
            tuple(measurements),
            plan.problem.objectives,
            plan.problem.budget,
            plan.top_rung,
            Fitted() if before is None else before,
            outcome.reason,
            directory,
        )

    @classmethod
    def under_way(cls, study: Study) -> RunView:
        """Return what a study has measured so far."""
        problem = study.problem
        return cls(
            problem.space,
            tuple(study.measurements),
            problem.objectives,
            problem.budget,
            study.top_rung,
        )

    @property
    def run(self) -> Run:
        """The directory of the run.

        Raises:
            RunError: nothing of the search was kept.
        """
        if self.directory is None:
            raise RunError("this search kept no run directory; give plugnas.search a run_dir")
        return self.directory

    @property
    def of_job(self) -> bool:
        """Whether this is the run of a job, whose images and training plugnas has."""
        return self.directory is not None and not isinstance(self.directory, PythonRun)

    @property
    def job_run(self) -> RunDirectory:
        """The directory of the run, where it is that of a job.

        Raises:
            RunError: it is not, so there are no images and no training for its architectures.
        """
        if not isinstance(self.run, PythonRun):
            return self.run
        raise RunError(
            f"{self.run.path} was searched from Python (plugnas.search) with an `evaluate` of its "
            "own: plugnas has no images and no training for its architectures. This needs the run "
            "of a job (nas search JOB.yaml)"
        )

    @cached_property
    def members(self) -> list[Member]:
        """What was measured at the highest rung, one entry per architecture."""
        return fronts.members(self.measurements, self.top_rung)

    @cached_property
    def front(self) -> list[Member]:
        """The non-dominated members within budget, cheapest first."""
        return fronts.front(self.members, self.objectives, self.budget)

    @property
    def failures(self) -> list[Measurement]:
        """Evaluations that failed, with their reasons."""
        return [m for m in self.measurements if not m.ok]

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """The recorded measurements that do not fit the space and are left out, with reasons."""
        return self.recorded.misfits

    @property
    def left_out(self) -> str | None:
        """How many recorded measurements are left out, and why; None if none is."""
        return self.recorded.left_out

    @cached_property
    def costs(self) -> tuple[str, ...]:
        """The names of the costs that were known before anything was evaluated."""
        if self.measurements:
            return next((tuple(m.costs) for m in self.measurements if m.costs), ())
        if not self.of_job:
            return ()
        from plugnas.nas.job.config import COSTS

        return COSTS

    @cached_property
    def metric(self) -> Metric:
        """The main objective: the first that only an evaluation can tell."""
        name = main_objective(self.objectives, self.costs)
        values = [m.values[name] for m in self.measurements if m.ok and name in m.values]
        return metric(name, self.objectives[name], values)

    @cached_property
    def cost(self) -> str:
        """The cost that stands against the main objective: the first objective that is one.

        Without one, FLOPs or the first cost known; without any, the name of none.
        """
        named = [name for name in self.objectives if name in self.costs]
        likely = [name for name in ("flops", *self.costs) if name in self.costs]
        return next(iter([*named, *likely]), "")

    @property
    def best(self) -> Member | None:
        """The front's member with the best value of the main objective; None without a front."""
        return max(self.front, key=lambda m: self.metric.sign * m[self.metric.name], default=None)

    def pick(self, text: str) -> Member:
        """Return the member a pick names: ``knee``, ``smallest:0.98``, ``flops<=2M``, an id.

        Raises:
            PickError: nothing, or more than one thing, is named.
        """
        return pick(text, self.members, self.objectives, self.budget)

    @cached_property
    def box(self) -> Box:
        """The box of what is allowed, in which hypervolumes are shares.

        Raises:
            ParetoError: no member has all its objectives.
        """
        points = fronts.table(self.members, self.objectives)
        return Box.allowed(points, self.objectives, self.budget)

    @property
    def reference(self) -> list[float]:
        """The hypervolume's reference point, in the order of the objectives; empty without a front.

        A cost's is its limit (without one, the largest found), a share's the worst there is.
        """
        return [float(value) for value in self.box.reference] if self.front else []

    @cached_property
    def hypervolume(self) -> float:
        """The share of the box that the front dominates: 0 to 1, 0 without a front."""
        return self.box.fraction(fronts.table(self.front, self.objectives)) if self.front else 0.0

    @cached_property
    def controls(self) -> tuple[Architecture, ...]:
        """What the search always measures: of a host, the host unchanged."""
        from plugnas.space.placebo import unchanged  # needs torch, which few views do

        host = unchanged(self.space)
        return () if host is None else (host,)

    def read(self, path: Path, space: SearchSpace | None = None) -> Fitted:
        """Read another ledger of the run, such as that of its confirmation.

        ``space`` is what it must fit: by default the run's, else one that has more members.
        """
        return read_fitting(path, self.space if space is None else space, self.run.costs)

    def table(self) -> list[dict[str, Any]]:
        """Return every measurement as a flat record: one value per column, no nesting."""
        return [m.flat() for m in self.measurements]


def open_run(
    path: Path | str,
    objectives: Mapping[str, str] | None = None,
    budget: Mapping[str, float] | None = None,
) -> RunView:
    """Open a run directory, of a job or of a search from Python, also while it is under way.

    ``objectives`` and ``budget`` are the run's if None.

    Raises:
        PlugnasError: no run there, or a damaged one.
    """
    return RunView.open(read_run(path), objectives, budget)


__all__ = ["RunView", "open_run"]
