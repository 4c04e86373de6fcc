"""How a latency is to be taken: one record for whole networks and for tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import LatencyError
from plugnas.nas.latency.rounds import Progress

LIMIT = 0.05  # relative standard error above which nothing is ranked


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Under which conditions, how often, in which order, and when a latency is not to be trusted.

    Nothing is ranked where a relative standard error is above ``limit``, or where the process had
    to share its core; a limit of 1 or more takes the machine as it is. Without ``rounds`` there are
    at least 30, and more until 20 seconds have passed. ``wait`` is how many seconds trainings on
    this machine may take to end, ``on_wait`` called once if there are any.
    """

    device: str = "cpu"
    runtime: str = "torch"
    batch: int = 1
    threads: int = 1
    rounds: int | None = None
    dtype: str = "float32"
    memory_format: str = "contiguous"
    limit: float = LIMIT
    seed: int = 0
    wait: float = 600.0
    on_wait: Callable[[], None] | None = None
    on_progress: Progress | None = None

    def conditions(self) -> Conditions:
        """Return the conditions on this machine.

        Raises:
            LatencyError: the device is not there, or a setting is none.
        """
        if self.rounds is not None and self.rounds < 1:
            raise LatencyError(f"at least one round is needed, but got {self.rounds}")
        if not self.limit > 0:
            raise LatencyError(
                f"the limit is a relative error above 0, such as {LIMIT:g}, but got {self.limit:g}"
            )
        return Conditions.here(
            self.device, self.batch, self.threads, self.dtype, self.memory_format, self.runtime
        )
