"""How long an evaluation may take, and whether a worker process still lives."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from pathlib import Path

from plugnas.nas.ledger.measurement import Measurement

TIMES, LEAST, ENOUGH = 20.0, 600.0, 3
"""An evaluation may take 20 times the median of its rung, and 10 minutes in any case, once three
of its rung have succeeded; before, nobody can know."""

BEAT = 2.0
"""Seconds between two signs of life of a worker process."""

STOPPED, SILENT = 15.0, 120.0
"""Seconds without one after which a worker is replaced that is stopped, or that merely sleeps."""

_LOOK = 1.0
_HALTED = ("T", "t")


class Patience:
    """The time that an evaluation gets: ``asked`` seconds, else by what others of its rung took."""

    def __init__(self, asked: float | None = None) -> None:
        self._asked = asked
        self._taken: dict[int, list[float]] = defaultdict(list)

    def learn(self, measurement: Measurement) -> None:
        """Note how long an evaluation took."""
        if measurement.ok:
            self._taken[measurement.rung].append(measurement.seconds)

    def limit(self, rung: int) -> float | None:
        """Return the seconds after which an evaluation hangs; None while nothing tells."""
        if self._asked is not None or len(self._taken[rung]) < ENOUGH:
            return self._asked
        return max(LEAST, TIMES * statistics.median(self._taken[rung]))

    def reason(self, rung: int) -> str:
        """Return what is said of an evaluation that has taken longer."""
        text = f"hung: no result within {self.limit(rung):g} s"
        return text if self._asked is not None else f"{text} ({TIMES:g} times its rung's median)"


class Pulse:
    """How long a worker process has given no sign of life, as far as its driver was awake.

    A driver that was stopped itself (Ctrl-Z) has heard nothing for longer than a worker was silent:
    between two looks, no more than a second counts.
    """

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._silence = 0.0
        self._heard = False

    def hear(self) -> None:
        """Note a sign of life."""
        self._heard, self._silence = True, 0.0

    def fault(self, pid: int | None) -> str | None:
        """Return why a worker is to be replaced; None if it is not."""
        now = time.monotonic()
        self._silence += min(now - self._looked, _LOOK)
        self._looked = now
        if self._silence < STOPPED:
            return None
        state = _state(pid)
        if state in _HALTED:
            return f"stopped: its process was halted (SIGSTOP) for {STOPPED:g} s"
        if self._heard and state == "S" and self._silence >= SILENT:
            return f"hung: its process slept for {SILENT:g} s without a sign of life"
        return None


def is_halted(pid: int | None) -> bool:
    """Whether a process of this machine was stopped (SIGSTOP) and not yet let go on."""
    return _state(pid) in _HALTED


def _state(pid: int | None) -> str | None:
    """Return the letter by which the system names a process's state; None where it does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()[0]


__all__ = ["BEAT", "STOPPED", "Patience", "Pulse", "is_halted"]
