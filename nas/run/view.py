"""A run as its ledger tells it: measurements, members, front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from plugnas.nas.front import member as fronts
from plugnas.nas.front.box import Box
from plugnas.nas.front.member import Member
from plugnas.nas.front.pick import pick
from plugnas.nas.ledger.ledger import read
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import RunDirectory
from plugnas.space import SearchSpace, SpaceError


@dataclass(frozen=True)
class RunView:
    """A run as its ledger tells it: measurements that fit the space, members, front."""

    run: RunDirectory
    space: SearchSpace
    measurements: tuple[Measurement, ...]
    misfits: int
    objectives: Mapping[str, str]
    budget: Mapping[str, float]

    @classmethod
    def open(
        cls,
        run: RunDirectory,
        objectives: Mapping[str, str] | None = None,
        budget: Mapping[str, float] | None = None,
    ) -> RunView:
        """Read a run, also one that is under way; objectives and budget are the job's if None.

        Raises:
            PlugnasError: no ledger, or a damaged one.
        """
        space = run.space()
        found, misfits = [], 0
        records = read(run.ledger).records if run.ledger.exists() else ()
        for record in records:
            try:
                architecture = space.adopt(record["architecture"]["values"])
            except SpaceError:
                misfits += 1
                continue
            found.append(Measurement.from_dict(record, architecture))
        return cls(
            run,
            space,
            tuple(found),
            misfits,
            run.job.objectives if objectives is None else objectives,
            run.job.limits if budget is None else budget,
        )

    @cached_property
    def members(self) -> list[Member]:
        """What was measured at the highest rung."""
        return fronts.members(self.measurements, self.run.top_rung)

    @cached_property
    def front(self) -> list[Member]:
        """The front within budget, cheapest first."""
        return fronts.front(self.members, self.objectives, self.budget)

    def pick(self, text: str) -> Member:
        """Return the member that a pick names."""
        return pick(text, self.members, self.objectives, self.budget)

    @cached_property
    def box(self) -> Box:
        """The box of what is allowed, in which hypervolumes are shares."""
        points = fronts.table(self.members, self.objectives)
        return Box.allowed(points, self.objectives, self.budget)

    @property
    def reference(self) -> list[float]:
        """The hypervolume's reference point, in the order of the objectives."""
        return [float(value) for value in self.box.reference]

    @cached_property
    def hypervolume(self) -> float:
        """The share of the box that the front dominates."""
        return self.box.fraction(fronts.table(self.front, self.objectives))
