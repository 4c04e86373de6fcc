"""Measuring: whole architectures against each other, and the table of a space's parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

import modules
from nas.latency.anchors import anchors
from nas.latency.conditions import Conditions, clocks
from nas.latency.errors import BusyMachineError, ForeignTableError, LatencyError
from nas.latency.parts import Key, parts_of_architectures, parts_of_space
from nas.latency.quiet import quiet
from nas.latency.report import LatencyReport, busy_reason, report
from nas.latency.rounds import Progress, Samples, anchor_timers, load, run_rounds, threads_set
from nas.latency.statistics import kendall_tau, medians, relative_errors
from nas.latency.table import LatencyTable
from nas.latency.timers import Timer, timer
from space import Architecture, Part, SearchSpace

GROUP = 128  # parts alive at a time
CHECKS = 12  # whole networks that show what a table's predictions are worth
LIMIT = 0.05  # relative standard error above which nothing is ranked


def measure_architectures(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    *,
    device: str = "cpu",
    batch: int = 1,
    threads: int = 1,
    rounds: int = 30,
    dtype: str = "float32",
    memory_format: str = "contiguous",
    limit: float = LIMIT,
    seed: int = 0,
    wait: float = 600.0,
    on_wait: Callable[[], None] | None = None,
    on_progress: Progress | None = None,
) -> LatencyReport:
    """Measure whole networks in deploy form on this device, interleaved, while nothing trains.

    ``limit`` is the relative standard error above which the report is ``busy`` and ranks nothing.

    Raises:
        BusyMachineError: trainings on this machine did not end within ``wait`` seconds.
        LatencyError: the device is not there, or a setting is none.
    """
    if rounds < 1 or not architectures:
        raise LatencyError(f"at least one architecture and one round are needed, not {rounds}")
    conditions = Conditions.here(device, batch, threads, dtype, memory_format)
    unique = list({a.id: a for a in architectures}.values())
    with quiet(wait, on_wait), threads_set(threads), torch.random.fork_rng():
        before = load()
        shape = space.parts(unique[0])[0].input_shape
        timers = [_timer(space.build(a), shape, conditions) for a in unique]
        rng = np.random.default_rng(seed)
        samples = run_rounds(timers, anchor_timers(conditions), rounds, rng, on_progress)
        noted = clocks(device)
    names = [a.id for a in unique]
    return report(names, samples, conditions, list(anchors()), (before, load()), limit, noted)


def measure_table(
    space: SearchSpace,
    *,
    architectures: Sequence[Architecture] | None = None,
    extend: LatencyTable | None = None,
    device: str = "cpu",
    batch: int = 1,
    threads: int = 1,
    rounds: int = 30,
    dtype: str = "float32",
    memory_format: str = "contiguous",
    limit: float = LIMIT,
    max_parts: int = 20_000,
    seed: int = 0,
    wait: float = 600.0,
    on_wait: Callable[[], None] | None = None,
    on_progress: Progress | None = None,
) -> LatencyTable:
    """Measure the latency of every part of a space, or of some architectures of it.

    With ``extend`` only what that table lacks is measured, normalised to its anchors. Whole
    networks are measured in the same session; how well the table predicts them is its ``check``.

    Raises:
        BusyMachineError: the median error is above ``limit``, or training did not end in time.
        ForeignTableError: the table to extend was measured under other conditions.
        LatencyError: no such device, a setting that is none, more than ``max_parts`` parts.
    """
    conditions = Conditions.here(device, batch, threads, dtype, memory_format)
    if rounds < 1:
        raise LatencyError(f"at least one round is needed, but got {rounds}")
    if extend is not None and extend.conditions != conditions:
        raise ForeignTableError(
            f"a table is extended under the conditions it was measured in, but it says "
            f"{extend.conditions} and here is {conditions}"
        )
    if architectures is None:
        parts = parts_of_space(space, max_parts)
    else:
        parts = parts_of_architectures(space, architectures)
    known = {} if extend is None else extend.entries
    wanted = {key: part for key, part in parts.items() if key not in known}
    rng = np.random.default_rng(seed)
    pool = architectures or space.architectures(space.sample_codes(CHECKS, rng))
    checks = list({a.id: a for a in pool}.values())[:CHECKS]
    with quiet(wait, on_wait), threads_set(threads), torch.random.fork_rng():
        session = _Session(conditions, rounds, rng, on_progress)
        session.run(wanted, space, checks)
    table = session.table(extend)
    _check(table, space, checks, session)
    if wanted:
        errors = np.array([table.entries[key][1] for key in session.keys])
        if (reason := busy_reason(["the median part"], np.median(errors)[None], limit)) is not None:
            raise BusyMachineError(reason)
    return table


class _Session:
    """Groups of parts, each interleaved with anchors; the last holds the whole networks too."""

    def __init__(
        self,
        conditions: Conditions,
        rounds: int,
        rng: np.random.Generator,
        on_progress: Progress | None,
    ) -> None:
        self.conditions, self.rounds, self.rng = conditions, rounds, rng
        self.on_progress = on_progress
        self.keys: list[Key] = []
        self.groups: list[Samples] = []
        self.checks = 0
        self.networks = np.zeros(0)  # ms of the whole networks, once there is a table

    def run(
        self, parts: dict[Key, Part], space: SearchSpace, architectures: Sequence[Architecture]
    ) -> None:
        """Measure the parts in groups; with each an empty module, with the last the networks."""
        anchors_ = anchor_timers(self.conditions)
        waiting = list(parts.items())
        self.rng.shuffle(waiting)
        total = len(waiting) // GROUP + 1
        for g in range(total):
            timers: list[Timer] = [timer(nn.Identity(), (1, 1, 1), self.conditions)]
            for key, part in waiting[g * GROUP : (g + 1) * GROUP]:
                try:
                    module = part.build()
                except modules.RefusedError:  # no architecture of the space holds it
                    continue
                timers.append(_timer(module, part.input_shape, self.conditions))
                self.keys.append(key)
            if g == total - 1:
                shape = space.parts(architectures[0])[0].input_shape
                networks = [space.build(a) for a in architectures]
                timers += [_timer(network, shape, self.conditions) for network in networks]
                self.checks = len(networks)
            progress = self._progress(g, total)
            self.groups.append(run_rounds(timers, anchors_, self.rounds, self.rng, progress))

    def _progress(self, group: int, total: int) -> Progress | None:
        report_to = self.on_progress
        if report_to is None:
            return None
        return lambda done, of: report_to(group * of + done, total * of)

    def table(self, extend: LatencyTable | None) -> LatencyTable:
        """Reduce the groups to a table, normalised to one reading of the anchors."""
        names = list(anchors())
        reference = np.median([group.anchor_medians for group in self.groups], axis=0)
        if extend is not None:
            reference = np.array([extend.anchors[name] for name in names])
        walls = [group.normalised(reference) for group in self.groups]
        empty = float(np.median([np.median(wall[:, 0]) for wall in walls]))
        parts = [wall[:, 1:] for wall in walls]
        parts[-1] = parts[-1][:, : parts[-1].shape[1] - self.checks]
        self.networks = medians(walls[-1][:, walls[-1].shape[1] - self.checks :])
        ms = np.concatenate([medians(group) for group in parts])
        errors = np.concatenate([relative_errors(group) for group in parts])
        entries = {
            key: (max(float(m) - empty, 0.0), float(e))
            for key, m, e in zip(self.keys, ms, errors, strict=True)
        }
        if extend is not None:
            return replace(extend, entries={**extend.entries, **entries})
        anchor_ms = dict(zip(names, reference.tolist(), strict=True))
        return LatencyTable(self.conditions, anchor_ms, self.rounds, empty, entries)


def _check(
    table: LatencyTable,
    space: SearchSpace,
    architectures: Sequence[Architecture],
    session: _Session,
) -> None:
    """Note in the table how well it predicts the networks measured beside it."""
    predicted = np.array([table.predict(space.parts(a)) for a in architectures])
    error = np.abs(predicted / session.networks - 1)
    table.check = {
        "networks": len(architectures),
        "mean_error": float(error.mean()),
        "worst_error": float(error.max()),
        "bias": float(np.median(predicted / session.networks) - 1),
        "kendall_tau": kendall_tau(predicted, session.networks),
        "measured_ms": session.networks.tolist(),
        "predicted_ms": predicted.tolist(),
    }


def _timer(module: nn.Module, shape: tuple[int, ...], conditions: Conditions) -> Timer:
    """A timer of the module's deploy form."""
    return timer(modules.fuse(module), shape, conditions)
