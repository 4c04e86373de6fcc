"""Rounds of a latency session, in numpy alone: everything timed once per round, beside anchors.

`nas latency --as-script` carries this file to machines without torch, so it imports nothing but
numpy; onnxruntime is imported where a graph is loaded.
"""

from __future__ import annotations

import gc
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WARM_UP = 3
ROUNDS, SECONDS = 30, 20.0  # at least, where no number of rounds is asked for
BLOCK = 16  # candidates that share one reading of the anchors

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]  # (done, of)


class Sample(NamedTuple):
    """Milliseconds of one forward: by the wall (on CUDA by the device), and of this process."""

    wall: float
    cpu: float


Timer = Callable[[], Sample]


@dataclass(frozen=True)
class Samples:
    """Raw milliseconds of n candidates over r rounds, and of the a anchors read beside each."""

    wall: Array  # (r, n)
    cpu: Array  # (r, n)
    anchors: Array  # (r, n, a): the anchors of the block in which it was timed

    @property
    def anchor_medians(self) -> Array:
        """The anchors' milliseconds in this session, (a,)."""
        return np.median(self.anchors.reshape(-1, self.anchors.shape[-1]), axis=0)

    def normalised(self, reference: Array) -> Array:
        """Wall times as they would be where the anchors take ``reference`` ms, (r, n).

        The drift of a block is the median over its anchors of measured over reference.
        """
        drift = np.median(np.log(self.anchors / reference), axis=-1)
        return self.wall / np.exp(drift)


def interleaved(
    timers: Sequence[Timer],
    anchors: Sequence[Timer],
    rounds: int | None,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> Samples:
    """Time all candidates once in every round, in a new random order, beside the anchors.

    Without a number of rounds there are at least ``ROUNDS``, and more until ``SECONDS`` have
    passed: a machine keeps one pace for seconds, and a session that is shorter than that takes it
    for the machine's own.

    Args:
        timers: of the candidates.
        anchors: timers of the anchors.
        rounds: how often each is timed.
        rng: draws the order.
        on_progress: hears of each round.
    """
    for run in [*timers, *anchors] * WARM_UP:
        run()
    found: list[tuple[Array, Array, Array]] = []
    begin = time.monotonic()
    total = ROUNDS if rounds is None else rounds
    while len(found) < total:
        found.append(_round(timers, anchors, rng))
        gc.collect()
        if rounds is None:
            paced = SECONDS * len(found) / max(time.monotonic() - begin, 1e-9)
            total = max(ROUNDS, math.ceil(paced))
        if on_progress is not None:
            on_progress(len(found), total)
    wall, cpu, read = (np.array(kind) for kind in zip(*found, strict=True))
    return Samples(wall, cpu, read)


def _round(
    timers: Sequence[Timer], anchors: Sequence[Timer], rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Time all candidates once: their wall and CPU times (n,), the anchors beside each (n, a)."""
    count = len(timers)
    wall, cpu, read = np.zeros(count), np.zeros(count), np.zeros((count, len(anchors)))
    for block in np.array_split(rng.permutation(count), -(-count // BLOCK)):
        # Numbers from ``count`` on are the anchors, strewn among the candidates.
        for i in rng.permutation([*block, *range(count, count + len(anchors))]):
            if i < count:
                wall[i], cpu[i] = timers[i]()
            else:
                read[block, i - count] = anchors[i - count]().wall
    return wall, cpu, read


def processor() -> str:
    """Return what the processor, or the board, is called."""
    board = Path("/proc/device-tree/model")  # such as "Raspberry Pi 5 Model B Rev 1.0"
    if board.exists():
        return board.read_text().rstrip("\x00\n")
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def onnx_session(file: bytes, threads: int) -> Any:
    """Load an ONNX graph in onnxruntime, on the processor, with so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    # Many sessions are alive in turn: threads of one must not spin while another is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def forward_timer(forward: Callable[[dict[str, Any]], Any], inputs: dict[str, Any]) -> Timer:
    """Return a timer of a forward on inputs that lie in memory, written anew for each sample."""

    def run() -> Sample:
        for x in inputs.values():
            np.multiply(x, 1, out=x)  # as warm as what a network has just made
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        forward(inputs)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        return Sample(wall / 1e6, cpu / 1e6)

    return run
