"""Latencies with their conditions, rounds, errors and ties."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.figures import medians, relative_errors, share_reason, spread_reason
from plugnas.nas.latency.protocol import Samples
from plugnas.nas.latency.statistics import tie_groups
from plugnas.nas.machine.quiet import BusyMachineError


@dataclass(frozen=True)
class Figure:
    """One latency: wall and CPU milliseconds, with the wall's relative standard error.

    ``rank`` counts from 1; those that are tied share it. None where nothing may be ranked.
    """

    name: str
    ms: float
    cpu_ms: float
    error: float
    rank: int | None


@dataclass(frozen=True)
class LatencyReport:
    """What one interleaved session measured; ``busy`` says why it must not be ranked, if so."""

    figures: tuple[Figure, ...]
    conditions: Conditions
    rounds: int
    anchors: dict[str, float]
    load: tuple[float | None, float | None]
    busy: str | None = None
    clocks: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Figure:
        return next(figure for figure in self.figures if figure.name == name)

    def check(self) -> LatencyReport:
        """Return the report itself.

        Raises:
            BusyMachineError: the machine was too busy; the error's text says how busy.
        """
        if self.busy:
            raise BusyMachineError(self.busy)
        return self

    @property
    def ties(self) -> list[list[str]]:
        """Groups of candidates closer than the error."""
        groups: dict[int, list[str]] = {}
        for figure in self.figures:
            if figure.rank is not None:
                groups.setdefault(figure.rank, []).append(figure.name)
        return [names for names in groups.values() if len(names) > 1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "ties": self.ties}

    def text(self) -> str:
        """The report as a table, ranked where it may be."""
        width = max([len(figure.name) for figure in self.figures], default=4)
        lines = [f"{'rank':>4}  {'':{width}}  {'ms':>9}  {'+-':>6}  {'CPU ms':>9}"]
        for figure in sorted(self.figures, key=lambda f: f.ms if f.rank is not None else 0):
            rank = "-" if figure.rank is None else str(figure.rank)
            lines.append(
                f"{rank:>4}  {figure.name:{width}}  {figure.ms:9.3f}  {figure.error:6.1%}"
                f"  {figure.cpu_ms:9.3f}"
            )
        lines += ["", *self.notes()]
        return "\n".join(lines)

    def notes(self) -> list[str]:
        """Everything a reader needs to judge the figures."""
        anchors = ", ".join(f"{name} {ms:.3f} ms" for name, ms in self.anchors.items())
        loads = " -> ".join("?" if value is None else f"{value:.2f}" for value in self.load)
        lines = [
            f"on {self.conditions}",
            f"{self.rounds} interleaved rounds, medians, +- relative standard error; "
            f"load {loads}; anchors {anchors}",
        ]
        if self.clocks:
            lines.append(f"clocks: {self.clocks}")
        if any(figure.rank is not None for figure in self.figures):
            lines.append("equal ranks are ties: closer than the error of their ratio, or than 2 %")
        if self.busy:
            lines.append(f"NOT RANKED: {self.busy}")
        return lines


def report(
    names: list[str],
    samples: Samples,
    conditions: Conditions,
    anchors: list[str],
    load: tuple[float | None, float | None],
    limit: float,
    clocks: str | None = None,
) -> LatencyReport:
    """Reduce a session to figures; nothing is ranked where the spread is above the limit.

    Args:
        names: of the candidates.
        samples: their milliseconds by round.
        conditions: under which they were taken.
        anchors: names of the anchors.
        load: of the machine, before and after.
        limit: relative error above which nothing is ranked.
        clocks: of the device, in words.
    """
    walls = samples.normalised(samples.anchor_medians)
    ms, errors, cpu = medians(walls), relative_errors(walls), medians(samples.cpu)
    busy = spread_reason(names, errors, limit) or shared_core_reason(samples, conditions, limit)
    ranks: dict[int, int] = {}
    if busy is None:
        place = 1
        for group in tie_groups(walls):
            ranks.update(dict.fromkeys(group, place))
            place += len(group)
    figures = tuple(
        Figure(name, float(ms[i]), float(cpu[i]), float(errors[i]), ranks.get(i))
        for i, name in enumerate(names)
    )
    medians_of_anchors = dict(zip(anchors, samples.anchor_medians.tolist(), strict=True))
    rounds = len(samples.wall)
    return LatencyReport(figures, conditions, rounds, medians_of_anchors, load, busy, clocks)


def shared_core_reason(samples: Samples, conditions: Conditions, limit: float) -> str | None:
    """Why the figures must not be ranked: the processor was shared; else None."""
    if torch.device(conditions.device).type != "cpu":
        return None
    return share_reason(samples.cpu, samples.wall, limit)
