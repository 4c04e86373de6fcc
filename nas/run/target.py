"""What `nas cost` and `nas latency` are pointed at: a job or a run, and architectures of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.cost import NetworkCost
from plugnas.nas.front.member import Member
from plugnas.nas.front.pick import pick
from plugnas.nas.job.config import Job, load
from plugnas.nas.job.prepared import prepare
from plugnas.nas.latency.table import LatencyTable
from plugnas.nas.machine.reading import read_json
from plugnas.nas.run.view import RunView, open_run
from plugnas.space import Architecture, SearchSpace

_STARTS = 1024


class TargetError(PlugnasError):
    """A target that is neither job nor run, or an architecture that it does not name."""


@dataclass(frozen=True)
class Target:
    """A job's space, and the run in which it was searched if there is one."""

    job: Job
    base: Path
    space: SearchSpace
    view: RunView | None = None

    def latency_table(self) -> LatencyTable | None:
        """The table that the job names or its run kept; nothing is measured."""
        if self.job.latency is not None and self.job.latency.table is not None:
            return LatencyTable.load(self.base / self.job.latency.table)
        kept = None if self.view is None else self.view.run.path / "latency.json"
        return LatencyTable.load(kept) if kept is not None and kept.exists() else None

    def choose(self, text: str) -> Architecture:
        """Return the architecture that a word names.

        ``random`` or ``random:SEED``, ``smallest`` and ``largest`` (by FLOPs), a JSON file of
        values, or, of a run, what ``nas front`` picks by: ``best``, ``knee``, an id, ...

        Raises:
            TargetError, SpaceError, PickError: it names none of the space.
        """
        if match := re.fullmatch(r"random(?::(\d+))?", text):
            return self.space.sample(np.random.default_rng(int(match[1] or 0)))
        if text in ("smallest", "largest"):
            return extreme(self.space, largest=text == "largest")
        if text.endswith(".json") or Path(text).is_file():
            return self._from_file(Path(text))
        if self.view is None:
            raise TargetError(
                f"`{text}` names no architecture: give random, smallest, largest or a JSON file"
                + (
                    did_you_mean(text, ("random", "smallest", "largest"))
                    or "; ids belong to a run, so give its directory instead of the job"
                )
            )
        return pick(text, self.members, self.view.objectives, self.view.budget).architecture

    @property
    def members(self) -> Sequence[Member]:
        """What the run has measured at its highest rung."""
        return [] if self.view is None else self.view.members

    def _from_file(self, path: Path) -> Architecture:
        try:
            data = read_json(path, dict[str, Any])
        except OSError as error:
            raise TargetError(f"{path} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise TargetError(f"{path} is no JSON file of an architecture: {error}") from None
        values = data.get("values", data)
        if not isinstance(values, dict):
            raise TargetError(f"{path} must hold a mapping of parameters to values")
        return self.space.architecture(values)


def open_target(path: Path) -> Target:
    """Open a job file or a run directory.

    Raises:
        PlugnasError: it is neither, or damaged.
    """
    if path.is_dir():
        view = open_run(path)
        run = view.job_run
        return Target(run.job, run.base, view.space, view)
    job = load(path)
    prepared = prepare(job, path.parent, where=str(path))
    return Target(prepared.job, path.parent, prepared.space)


def extreme(space: SearchSpace, *, largest: bool) -> Architecture:
    """Return the architecture of most or least FLOPs that climbing from a sample finds."""
    cost = NetworkCost(space)
    sign = 1 if largest else -1
    codes = space.sample_codes(_STARTS, np.random.default_rng(0))
    heights = sign * cost.costs_of(codes)["flops"]
    best = space.architectures(codes[[int(np.argmax(heights))]])[0]
    height = float(heights.max())
    while True:
        near = space.neighbours(best)
        around = sign * cost.costs_of(near)["flops"] if near else np.array([-np.inf])
        if around.max() <= height:
            return best
        height, best = float(around.max()), near[int(np.argmax(around))]
