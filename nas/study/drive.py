"""The loop of a run: keep the executor busy, tell the study what comes back, end cleanly."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from plugnas.nas.executors.base import Executor
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.study.study import Study, StudyError

TICK = 0.5
"""Seconds between two looks at the clock while evaluations run."""


@dataclass(frozen=True)
class Event:
    """What a listener hears: ``kind`` is begin, measured, tick or end.

    ``measurement`` comes with ``measured``; ``running`` is the number of evaluations that workers
    are at; ``seconds`` counts from the start of this session, and ``timeout`` is its limit, if any.
    """

    kind: str
    study: Study
    running: int
    seconds: float
    measurement: Measurement | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a session ended: ``reason`` is done, exhausted, timeout or interrupted."""

    reason: str
    measured: int
    seconds: float


Listener = Callable[[Event], None]


def drive(
    study: Study,
    executor: Executor,
    *,
    on_event: Sequence[Listener] = (),
    timeout: float | None = None,
) -> Outcome:
    """Run the study to its end, and close the executor.

    After ``timeout`` seconds nothing new is begun, and what runs is let finish. Ctrl-C (or
    SIGTERM) ends at once: what runs is lost and will be run again, what was told is recorded.
    Raises StudyError when nothing works, and the LedgerError of a full disk.

    Args:
        study: says what is evaluated.
        executor: evaluates.
        on_event: hear of the course.
        timeout: seconds after which nothing new is begun.
    """
    session = _Session(study, executor, on_event, timeout)
    with contextlib.closing(executor), _Interrupts() as interrupts:
        try:
            reason = session.run(interrupts)
        except KeyboardInterrupt:
            reason = "interrupted"
        with contextlib.suppress(KeyboardInterrupt), interrupts.held():
            session.notify("end")
        return Outcome(reason, session.measured, session.seconds)


class _Session:
    def __init__(
        self, study: Study, executor: Executor, on_event: Sequence[Listener], timeout: float | None
    ) -> None:
        self.study = study
        self.executor = executor
        self.on_event = on_event
        self.timeout = timeout
        self.measured = 0
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def under_way(self) -> int:
        return len(self.study.running)

    def notify(self, kind: str, measurement: Measurement | None = None) -> None:
        event = Event(
            kind, self.study, self.executor.running, self.seconds, measurement, self.timeout
        )
        for listener in self.on_event:
            listener(event)

    def run(self, interrupts: _Interrupts) -> str:
        """Return the reason why the session ended."""
        self.notify("begin")
        while True:
            late = self.timeout is not None and self.seconds >= self.timeout
            if late:
                for waiting in self.executor.recall():
                    self.study.put_back(waiting)
            while not late and self.under_way < self.executor.capacity:
                task = self.study.ask()
                if task is None:
                    break
                self.executor.submit(task)
            if self.under_way == 0:
                return self._ending()
            self.notify("tick")  # with what runs now, not what is left of the last lot
            for measurement in self.executor.wait(TICK):
                with interrupts.held():
                    told = self.study.tell(measurement)
                    self.measured += 1
                    self.notify("measured", told)
            if self.study.hopeless:
                raise StudyError(self.study.hopeless)

    def _ending(self) -> str:
        if not self.study.done:
            return "timeout"
        return "exhausted" if self.study.exhausted else "done"


class _Interrupts:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt, but never while ``held``.

    Signals can only be handled in the main thread; elsewhere this does nothing.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._before: dict[signal.Signals, object] = {}
        self._held = False
        self._came = False

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside finish; an interrupt that comes meanwhile is raised after it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            self._came = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._came = True
        else:
            raise KeyboardInterrupt


__all__ = ["Event", "Listener", "Outcome", "drive"]
