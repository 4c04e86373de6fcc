"""From what an evaluator returns or raises to a measurement: the same in every executor."""

from __future__ import annotations

import math
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from plugnas.nas.ledger.measurement import DIVERGED, OUT_OF_MEMORY, Measurement, Task
from plugnas.nas.machine.quiet import training
from plugnas.space import Architecture

Evaluate = Callable[[Task], Mapping[str, Any]]
Evaluator = Callable[[], Evaluate]
"""A factory without arguments, picklable for executors with processes; called once per worker."""


class Training(ABC):
    """An ``evaluate`` that trains: it keeps the machine busy, so no latency is taken meanwhile.

    Any other callable, such as a look-up in a table, runs without the machine's lock.
    """

    @property
    def data(self) -> str | None:
        """The fingerprint of the images that this worker has read; None if it reads none."""
        return None

    @abstractmethod
    def __call__(self, task: Task) -> Mapping[str, Any]:
        """Return what ``measure`` takes of a task."""


class ReadsImages(ABC):
    """An evaluator whose workers read images from files, which other machines may not see."""

    @abstractmethod
    def carrying_data(self) -> Evaluator:
        """Return the same with its images inside, for machines that do not see their files."""


def data_of(evaluate: Evaluate) -> str | None:
    """Return the fingerprint of the images that an ``evaluate`` has read, if it has any."""
    return evaluate.data if isinstance(evaluate, Training) else None


def of_tasks(evaluate: Callable[[Architecture, int, int], Mapping[str, float]]) -> Evaluate:
    """Make the function of a task out of a user's function of architecture, rung and seed.

    It stands here, and not beside the search, so that workers import no more than they need.
    """

    def run(task: Task) -> Mapping[str, Any]:
        values = evaluate(task.architecture, task.rung, task.seed)
        if not isinstance(values, Mapping):
            raise TypeError(
                f"evaluate must return a mapping such as {{'accuracy': 0.9}}, not {values!r}"
            )
        return {"values": values}

    return run


def measure(
    task: Task,
    evaluate: Evaluate,
    *,
    worker: str = "",
    on_begin: Callable[[], None] | None = None,
) -> Measurement:
    """Evaluate ``task`` and return a measurement, also where the evaluation raises.

    ``evaluate`` returns a mapping with ``values`` and, if it likes, ``signal``, ``curve``,
    ``extra`` and ``cpu_seconds``. Values that are not finite make the measurement ``failed`` with
    reason ``diverged: ...``, or with the ``reason`` that the mapping gives; KeyboardInterrupt and
    SystemExit pass through. A ``Training`` waits while latency is being measured on this machine;
    then ``on_begin`` is called and the clock starts.

    Args:
        task: what is evaluated.
        evaluate: returns a mapping with `values`.
        worker: who evaluates.
        on_begin: is called when the evaluation begins.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    result: Mapping[str, Any] = {}
    extra: dict[str, Any] = {}
    try:
        with training() if isinstance(evaluate, Training) else nullcontext():
            if on_begin is not None:
                on_begin()
            wall, cpu = time.perf_counter(), time.process_time()
            result = evaluate(task)
        reason = _fault(result)
        if not isinstance(result, Mapping):
            result = {}
    except Exception as error:  # noqa: BLE001 - whatever a module raises is a result
        reason = _reason(error)
        extra["traceback"] = "".join(traceback.format_exception(error)[-6:])
        result = {}
    sound = reason is None or reason.startswith(DIVERGED)
    values = result.get("values", {}) if sound else {}
    signal = result.get("signal") if sound else None
    return Measurement(
        number=task.number,
        architecture=task.architecture,
        rung=task.rung,
        seed=task.seed,
        status="ok" if reason is None else "failed",
        values={name: float(value) for name, value in values.items()},
        signal=None if signal is None or not math.isfinite(signal) else float(signal),
        curve=tuple(dict(point) for point in result.get("curve", ())) if sound else (),
        seconds=time.perf_counter() - wall,
        cpu_seconds=float(result.get("cpu_seconds", time.process_time() - cpu)),
        reason=reason,
        worker=worker,
        attempt=task.attempt,
        extra={**(result.get("extra", {}) if sound else {}), **extra},
    )


def _fault(result: Any) -> str | None:
    """Return what is wrong with an evaluator's result, or None."""
    if not isinstance(result, Mapping) or not isinstance(result.get("values"), Mapping):
        return f"raised: an evaluator returns a mapping with `values`, not {result!r:.80}"
    if not result["values"]:
        return "raised: an evaluator returns at least one value, but `values` is empty"
    for name, value in result["values"].items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            return f"raised: the value of {name} must be a number, not {value!r:.80}"
        if not math.isfinite(number):
            return str(result.get("reason", f"{DIVERGED}: {name} is {number}"))
    return None


def _reason(error: Exception) -> str:
    """Return an exception in one line: its kind, its text, and the place that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"{OUT_OF_MEMORY}: {text}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"raised: {text}{place}"


__all__ = ["Evaluate", "Evaluator", "ReadsImages", "Training", "data_of", "measure", "of_tasks"]
