"""How long a search still takes, by when its last trials finished."""

from __future__ import annotations

from collections import deque

RECENT = 16
"""Trials whose pace counts: a machine that slept, or was busy, is forgotten after so many."""


class Pace:
    """Tells the seconds left of a session; between two trials they go down with the clock.

    Args:
        finished: trials that were finished before the session.
    """

    def __init__(self, finished: int) -> None:
        self._marks = deque([(finished, 0.0)], maxlen=RECENT + 1)

    def tell(self, finished: int, seconds: float) -> None:
        """Note how many trials are finished after so many seconds of the session."""
        if finished > self._marks[-1][0]:
            self._marks.append((finished, seconds))

    def left(self, trials: int, seconds: float) -> float | None:
        """Return the seconds left for so many trials in all; None before the first is finished.

        A trial that takes longer than those before it is taken to end now.
        """
        (before, begun), (finished, last) = self._marks[0], self._marks[-1]
        if finished == before:
            return None
        each, more = (last - begun) / (finished - before), trials - finished
        return max(more * each - (seconds - last), (more - 1) * each, 0.0)


__all__ = ["Pace"]
