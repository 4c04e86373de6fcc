"""What promotes architectures to the next rung, as the study sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.space import Architecture


class Promoter(ABC):
    """What a study asks before its sampler: which architecture deserves the next rung.

    ``count`` is the number of rungs.
    """

    count: int

    @abstractmethod
    def next(
        self, measurements: Sequence[Measurement], running: Iterable[Task]
    ) -> tuple[Architecture, int] | None:
        """Return an architecture and the rung it is promoted to, or None if none is due."""
