"""Interleaved rounds: everything is timed once per round, in random order, beside the anchors."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from plugnas.nas.latency.anchors import SHAPE, anchors
from plugnas.nas.latency.conditions import Conditions, clocks
from plugnas.nas.latency.runtime import Timed, make_timers
from plugnas.nas.latency.timers import Timer

WARM_UP = 3
BLOCK = 16  # candidates that share one reading of the anchors
Progress = Callable[[int, int], None]  # (done, of)


@dataclass(frozen=True)
class Samples:
    """Raw milliseconds of n candidates over r rounds, and of the a anchors read beside each."""

    wall: NDArray[np.float64]  # (r, n)
    cpu: NDArray[np.float64]  # (r, n)
    anchors: NDArray[np.float64]  # (r, n, a): the anchors of the block in which it was timed

    @property
    def anchor_medians(self) -> NDArray[np.float64]:
        """The anchors' milliseconds in this session, (a,)."""
        return np.median(self.anchors.reshape(-1, self.anchors.shape[-1]), axis=0)

    def normalised(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wall times as they would be where the anchors take ``reference`` ms, (r, n).

        The drift of a block is the median over its anchors of measured over reference.
        """
        drift = np.median(np.log(self.anchors / reference), axis=-1)
        return self.wall / np.exp(drift)


def anchor_timers(conditions: Conditions) -> list[Timer]:
    """Timers of the anchors under these conditions, in their order."""
    wanted = [Timed(module, [SHAPE], name) for name, module in anchors().items()]
    return make_timers(wanted, conditions)


def run_rounds(
    timers: Sequence[Timer],
    anchor_timers: Sequence[Timer],
    rounds: int,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> Samples:
    """Time all candidates interleaved, in random order in every round.

    Args:
        timers: of the candidates.
        anchor_timers: of the anchors.
        rounds: how often each is timed.
        rng: draws the order.
        on_progress: hears of each round.
    """
    count = len(timers)
    wall, cpu = np.zeros((rounds, count)), np.zeros((rounds, count))
    read = np.zeros((rounds, count, len(anchor_timers)))
    with torch.inference_mode(), _no_collection():
        for run in [*timers, *anchor_timers] * WARM_UP:
            run()
        for r in range(rounds):
            order = rng.permutation(count)
            for block in np.array_split(order, -(-count // BLOCK)):
                # Numbers from ``count`` on are the anchors, strewn among the candidates.
                for i in rng.permutation([*block, *range(count, count + len(anchor_timers))]):
                    if i < count:
                        wall[r, i], cpu[r, i] = timers[i]()
                    else:
                        read[r, block, i - count] = anchor_timers[i - count]().wall
            gc.collect()
            if on_progress is not None:
                on_progress(r + 1, rounds)
    return Samples(wall, cpu, read)


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
    """Garbage is collected between rounds, not within a measurement."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load() -> float | None:
    """The machine's load average over the last minute, where it has one."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
