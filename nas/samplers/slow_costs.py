"""Costs of a listed space that take long: worked out beside the search, in a fixed random order."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

CHUNK = 64
"""Architectures whose costs are asked for at a time."""


def due(asked: int, count: int) -> int:
    """Return of how many of ``count`` architectures the costs are waited for at an ask.

    It depends on nothing but how many were asked for before: so a search proposes the same however
    quick the machine is. The first proposal waits for none but the first chunk; all are known after
    some sixty of a space of 16,000.
    """
    return min(count, CHUNK * (asked + 1) + 4 * asked * asked)


class SlowCosts:
    """A thread that works out the costs of rows in the order given.

    It ends when ``stop`` is called, or with the process.

    Args:
        problem: has the costs.
        codes: of the architectures (n, P).
        known: the costs of the first of them, worked out already (k, C).
    """

    def __init__(self, problem: Problem, codes: Codes, known: Doubles) -> None:
        self._problem, self._codes = problem, codes
        self._costs = np.full((len(codes), len(problem.cost_names)), np.nan)
        self._costs[: len(known)] = known
        self._done = len(known)
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="plugnas costs", daemon=True).start()

    def upto(self, count: int) -> Doubles:
        """Return the costs of the first ``count`` rows; waits until they are known.

        Raises:
            Exception: what the cost function raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._done >= count or self._error is not None)
            if self._done < count and self._error is not None:
                raise self._error
            return self._costs[:count]

    def stop(self) -> None:
        """Work out no more."""
        self._ended = True

    def _run(self) -> None:
        while self._done < len(self._codes) and not self._ended:
            part = slice(self._done, min(self._done + CHUNK, len(self._codes)))
            try:
                costs = self._problem.costs(self._codes[part])
            except Exception as error:  # noqa: BLE001 - told to whoever waits, in the search's own thread
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._costs[part] = costs
                self._done = part.stop
                self._changed.notify_all()


__all__ = ["CHUNK", "SlowCosts", "due"]
