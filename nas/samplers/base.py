"""What every sampler is to the study that asks it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol

from plugnas.nas.ledger.measurement import Measurement, Task, failed
from plugnas.space import Architecture


class Scheduler(Protocol):
    """What decides who goes on to the next rung, in place of ours."""

    def goes_on(self, architecture: str, rung: int, value: float) -> bool:
        """Hear an architecture's value at a rung (its id; more is better); say if it goes on."""


class Sampler(ABC):
    """Proposes architectures, and learns from what their evaluation returned.

    ``scheduler`` is one that came with it; None: the search promotes by its own law.
    ``measures_again``: whether it can say which leader is to be measured again.
    """

    scheduler: Scheduler | None = None
    measures_again: bool = False

    @property
    def refused(self) -> int | None:
        """Candidates left out so far because they are above the budget; None if not counted."""
        return None

    def remark(self, number: int) -> str | None:
        """Return what the record should say of the proposal with this number; None for nothing."""
        return None

    def again(self, number: int, busy: Collection[Architecture]) -> Architecture | None:
        """Return a leader whose further measurement is worth more than proposal ``number``.

        None where there is none, or the sampler does not know. Those in ``busy`` are being
        measured. Asked before ``ask`` only where a study may measure leaders again.
        """
        return None

    @abstractmethod
    def ask(self, number: int) -> Architecture:
        """Return an architecture that was never asked for, within budget.

        Random choices depend on (problem.seed, number) alone.

        Raises:
            SpaceExhausted: there is none left.
        """

    @abstractmethod
    def tell(self, measurement: Measurement) -> None:
        """Learn from a measurement of any rung and status; also from those of earlier sessions."""

    def expect(self, task: Task) -> bool:
        """Hear of a task that is under way and was not proposed in this session.

        Returns False where the sampler would not propose its architecture any more.
        """
        # to every sampler, a failure says: not this one again, and nothing else is known
        self.tell(failed(task, "killed: the driver ended"))
        return True
