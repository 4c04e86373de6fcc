"""What passes between the study and its workers: tasks out, measurements back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plugnas.nas.ledger.curve import Curve
from plugnas.space import Architecture

DIVERGED = "diverged"
OUT_OF_MEMORY = "out of memory"

Key = tuple[str, int, int]
"""Architecture id, rung and seed: what makes two tasks the same work."""


@dataclass(frozen=True)
class Task:
    """One evaluation to be done: this architecture, at this rung, with this seed.

    ``number`` counts the architectures of a run from 0 and is never reused; their rungs, seeds and
    retries share it. ``attempt`` counts retries of the same (architecture, rung, seed) from 0.
    """

    number: int
    architecture: Architecture
    rung: int = 0
    seed: int = 0
    attempt: int = 0

    @property
    def key(self) -> Key:
        """What makes two tasks the same work: architecture id, rung, seed."""
        return (self.architecture.id, self.rung, self.seed)


@dataclass(frozen=True)
class Measurement:
    """What one evaluation of one architecture at one rung with one seed returned.

    ``values`` are what was measured (shares such as ``accuracy`` as fractions), ``costs`` what
    was known before (``params``, ``flops``, ...). ``signal`` ranks architectures within the rung,
    higher is better; None means the values do. ``status`` is ``ok`` or ``failed``, with
    ``reason`` in words; a diverged training is ``failed`` with reason ``diverged: ...``.
    ``seconds`` is wall time and ``cpu_seconds`` CPU time of the evaluation.
    """

    number: int
    architecture: Architecture
    rung: int
    seed: int
    status: str
    values: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    signal: float | None = None
    curve: Sequence[Mapping[str, float]] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reason: str | None = None
    worker: str = ""
    attempt: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the evaluation returned finite values."""
        return self.status == "ok"

    @property
    def key(self) -> Key:
        """What makes two measurements the same work: architecture id, rung, seed."""
        return (self.architecture.id, self.rung, self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, as a ledger records it. Non-finite numbers become None."""
        record = {f: getattr(self, f) for f in self.__dataclass_fields__ if f != "architecture"}
        record["architecture"] = {"id": self.architecture.id, "values": self.architecture.values}
        return plain(record)

    def flat(self) -> dict[str, Any]:
        """Return a flat record: one value per column; choices are named as parameters are."""
        return {
            "number": self.number,
            "id": self.architecture.id,
            "rung": self.rung,
            "seed": self.seed,
            "attempt": self.attempt,
            "status": self.status,
            "reason": self.reason,
            "signal": self.signal,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            **self.values,
            **self.costs,
            **self.architecture.values,
        }


def failed(task: Task, reason: str, *, seconds: float = 0.0, worker: str = "") -> Measurement:
    """Return the measurement of a task whose worker gave no answer.

    Args:
        task: the task.
        reason: why there is no answer.
        seconds: how long it ran.
        worker: which worker had it.
    """
    return Measurement(
        number=task.number,
        architecture=task.architecture,
        rung=task.rung,
        seed=task.seed,
        status="failed",
        seconds=seconds,
        reason=reason,
        worker=worker,
        attempt=task.attempt,
    )


def has_diverged(measurement: Measurement) -> bool:
    """Whether a training ended in values that are not finite: a result, not to be tried again."""
    return (measurement.reason or "").startswith(DIVERGED)


def spoils_worker(measurement: Measurement) -> bool:
    """Whether a worker should evaluate nothing more: its memory or device is in doubt."""
    reason = measurement.reason or ""
    return any(sign in reason for sign in (OUT_OF_MEMORY, "CUDA error", "AcceleratorError"))


def plain(value: Any) -> Any:
    """Return plain JSON data; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | Curve):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


__all__ = [
    "DIVERGED",
    "OUT_OF_MEMORY",
    "Measurement",
    "Task",
    "failed",
    "has_diverged",
    "plain",
    "spoils_worker",
]
