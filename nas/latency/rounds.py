"""Interleaved rounds: everything is timed once per round, in random order, beside the anchors."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from plugnas.nas.latency.anchors import SHAPE, anchors
from plugnas.nas.latency.conditions import Conditions, clocks
from plugnas.nas.latency.protocol import BLOCK, Progress, Samples, Timer, interleaved
from plugnas.nas.latency.runtime import Timed, make_timers


def anchor_timers(conditions: Conditions) -> list[Timer]:
    """Timers of the anchors under these conditions, in their order."""
    wanted = [Timed(module, [SHAPE], name) for name, module in anchors().items()]
    return make_timers(wanted, conditions)


def run_rounds(
    timers: Sequence[Timer],
    anchor_timers: Sequence[Timer],
    rounds: int | None,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> Samples:
    """Time all candidates interleaved, in random order in every round.

    Args:
        timers: of the candidates.
        anchor_timers: of the anchors.
        rounds: how often each is timed; None: as often as some seconds hold.
        rng: draws the order.
        on_progress: hears of each round.
    """
    with torch.inference_mode(), _no_collection():
        return interleaved(timers, anchor_timers, rounds, rng, on_progress)


def clocks_at_work(conditions: Conditions, timers: Sequence[Timer]) -> str | None:
    """Return the device's clocks, read while these timers keep it busy: idle, it lowers them."""

    def work() -> None:
        with torch.inference_mode():
            for run in timers:
                run()

    return clocks(conditions.device, work)


@contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """Run torch with so many threads, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage is collected between rounds, not within a measurement.

    What there was before is left out of it: with torch loaded, looking through all of that takes
    longer than a round.
    """
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def load() -> float | None:
    """The machine's load average over the last minute, where it has one."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


__all__ = [
    "BLOCK",
    "Progress",
    "Samples",
    "anchor_timers",
    "clocks_at_work",
    "load",
    "run_rounds",
    "threads_set",
]
