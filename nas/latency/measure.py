"""Measuring: whole architectures against each other, and the table of a space's parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from nas.latency.anchors import NAMES
from nas.latency.conditions import Conditions, clocks
from nas.latency.errors import BusyMachineError, ForeignTableError, LatencyError
from nas.latency.parts import parts_of_architectures, parts_of_space
from nas.latency.quiet import quiet
from nas.latency.report import LatencyReport, report
from nas.latency.rounds import Progress, anchor_timers, load, run_rounds, threads_set
from nas.latency.session import Session, deploy_timer
from nas.latency.table import LatencyTable
from space import Architecture, SearchSpace

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

    The report is ``busy`` and ranks nothing where a relative standard error is above ``limit``, or
    where the process had to share its core; a limit of 1 or more takes the machine as it is.

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
        timers = [deploy_timer(space.build(a), shape, conditions) for a in unique]
        rng = np.random.default_rng(seed)
        samples = run_rounds(timers, anchor_timers(conditions), rounds, rng, on_progress)
        noted = clocks(device)
    names = [a.id for a in unique]
    return report(names, samples, conditions, list(NAMES), (before, load()), limit, noted)


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

    With ``extend`` only what that table lacks is measured, beside some of what it holds, to which
    it is scaled. Whole networks are measured in the same session; how well the table predicts
    them is its ``check``.

    Raises:
        BusyMachineError: the median error is above ``limit``, the processor was shared, or
            training did not end in time.
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
    bridges = {key: part for key, part in parts.items() if key in known}
    rng = np.random.default_rng(seed)
    pool = architectures or space.architectures(space.sample_codes(CHECKS, rng))
    checks = list({a.id: a for a in pool}.values())[:CHECKS]
    with quiet(wait, on_wait), threads_set(threads), torch.random.fork_rng():
        session = Session(conditions, rounds, rng, on_progress)
        session.run(wanted, bridges, space, checks)
    table = session.table(extend)
    table.check = session.check(table, space, checks)
    if wanted and (reason := session.busy_reason(table, limit)):
        raise BusyMachineError(reason)
    return table
