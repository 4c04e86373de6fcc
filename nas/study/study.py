"""Ask and tell: which evaluation is next, and what has been learnt. Knows nothing of processes."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from plugnas.nas.cost.model import each
from plugnas.nas.ledger import unfinished
from plugnas.nas.ledger.measurement import DIVERGED, Key, Measurement, Task, has_diverged
from plugnas.nas.study.again import Again
from plugnas.nas.study.controls import Controls
from plugnas.nas.study.failures import all_failed
from plugnas.nas.study.returned import StudyError, check_objectives

if TYPE_CHECKING:
    from plugnas.nas.ledger.ledger import Ledger
    from plugnas.nas.samplers import Problem, Sampler
    from plugnas.nas.study.promoter import Promoter
    from plugnas.space import Architecture

STRIKES = 3
"""Failures after which an architecture is not tried again."""

HOPELESS = 10
"""Architectures that fail, with none that succeeds, after which a search is given up."""


class Study:
    """Hands out tasks and takes measurements until ``trials`` architectures are measured.

    A task's number belongs to its architecture: retries (``attempt``), further ``seeds`` and
    promotions keep it, so that the sampler's stream at a number is the same however the work was
    interleaved or interrupted. After an interruption, what ran comes first, then missing numbers.
    A failed evaluation is tried again until its architecture has failed three times (an executor's
    own tries, ``extra["tries"]``, count); one that diverged is a result and is not tried again.

    Args:
        problem: space, objectives, budget and costs.
        sampler: proposes.
        ledger: the record; None for none.
        trials: architectures in all.
        rungs: promotes; None for a single rung.
        seeds: of every architecture.
        first: measured before what is proposed.
        again: whether the sampler may measure a leader again; each time counts as a trial.
    """

    def __init__(
        self,
        problem: Problem,
        sampler: Sampler,
        ledger: Ledger | None = None,
        *,
        trials: int,
        rungs: Promoter | None = None,
        seeds: Sequence[int] = (0,),
        first: Sequence[Architecture] = (),
        again: bool = False,
    ) -> None:
        if trials < 1 or not seeds:
            raise StudyError(
                f"A study needs at least one trial and one seed, but got trials={trials}, "
                f"seeds={list(seeds)}."
            )
        self.problem = problem
        self.sampler = sampler
        self.trials = trials
        self.measurements: list[Measurement] = []
        self.running: dict[tuple[int, int, int], Task] = {}
        self.exhausted = False
        self.done = False
        self._ledger = ledger
        self._note = None if ledger is None else ledger.path.with_suffix(unfinished.SUFFIX)
        self._rungs = rungs
        self._seeds = tuple(seeds)
        self._controls = Controls(first)
        self._again = Again(sampler, self.top_rung, len(self._seeds)) if again else None
        self._numbers: dict[str, int] = {}
        self._failures: Counter[Key] = Counter()
        self._strikes: Counter[str] = Counter()
        self._settled: set[Key] = set()
        self._queue: deque[Task] = deque()
        self._failed_now: set[str] = set()
        self._succeeded = False
        self._next = 0
        self._gaps: Iterator[int] = iter(())
        self._gap: int | None = None
        if ledger is not None:
            self._replay(ledger)

    @property
    def top_rung(self) -> int:
        """The last rung, whose measurements make the front."""
        return 0 if self._rungs is None else self._rungs.count - 1

    @property
    def started(self) -> int:
        """Trials handed out so far, those of earlier sessions included."""
        return len(self._numbers) + (0 if self._again is None else len(self._again))

    @property
    def finished(self) -> int:
        """Trials handed out of which no evaluation is running or waiting."""
        open_ids = {task.architecture.id for task in (*self.running.values(), *self._queue)}
        return self.started - len(open_ids)

    @property
    def hopeless(self) -> str | None:
        """Why this session should end early: nothing it tried has worked. None if it should not."""
        if self._succeeded or len(self._failed_now) < HOPELESS:
            return None
        return all_failed(self.measurements, len(self._failed_now))

    def ask(self) -> Task | None:
        """Return the next evaluation to run, or None if there is none to hand out now.

        None while nothing is running means that the study is ``done``.
        """
        task = self._queued() or self._promoted() or self._repeated() or self._fresh()
        if task is not None:
            self.running[(task.number, task.rung, task.seed)] = task
        self.done = task is None and not self.running
        if self._note is not None and (task is not None or self.done):
            unfinished.note(self._note, self.running.values())
        return task

    def put_back(self, task: Task) -> None:
        """Take back a task that was handed out and that nobody has begun."""
        del self.running[(task.number, task.rung, task.seed)]
        self._queue.appendleft(task)

    def tell(self, measurement: Measurement) -> Measurement:
        """Record the measurement of a task that was asked for, and return it with its costs.

        Raises StudyError for a task that is not running, and for values without an objective.
        """
        place = (measurement.number, measurement.rung, measurement.seed)
        task = self.running.get(place)
        if task is None:
            raise StudyError(
                f"A study is told what it asked for, but task {place[0]} (rung {place[1]}, seed "
                f"{place[2]}) is not running."
            )
        # the executor's copy has been through a pickle; ours still knows its codes
        (known,) = each(self.problem.cost, [task.architecture])
        measurement = dataclasses.replace(measurement, architecture=task.architecture)
        measurement = self._complete(measurement, known)
        if measurement.ok and not self._only_ranks(measurement):
            check_objectives(self.problem, measurement)
        if self._ledger is not None:
            self._ledger.append(measurement)
        del self.running[place]
        self._learn(measurement)
        if measurement.ok:
            self._succeeded = True
        elif not has_diverged(measurement):
            self._failed_now.add(measurement.architecture.id)
        if self._retryable(measurement.key):
            self._queue.append(dataclasses.replace(task, attempt=self._failures[task.key]))
        return measurement

    def _queued(self) -> Task | None:
        while self._queue:
            task = self._queue.popleft()
            if self._strikes[task.architecture.id] < STRIKES and task.key not in self._settled:
                return task
        return None

    def _promoted(self) -> Task | None:
        if self._rungs is None:
            return None
        due = self._controls.lifted(self.measurements, self._rungs.count)
        due = due or self._rungs.next(self.measurements, list(self.running.values()))
        if due is None:
            return None
        architecture, rung = due
        return self._first_of(self._numbers[architecture.id], architecture, rung)

    def _repeated(self) -> Task | None:
        if self._again is None or self.exhausted or self.started >= self.trials:
            return None
        number = self._next if self._gap is None else self._gap
        return self._again.next(number, self._numbers, self.running.values())

    def _fresh(self) -> Task | None:
        from plugnas.nas.samplers import SpaceExhausted

        if self.exhausted or self.started >= self.trials:
            return None
        number = self._next if self._gap is None else self._gap
        try:
            control = self._controls.first(self._numbers)
            architecture = control or self.sampler.ask(number)
        except SpaceExhausted:
            self.exhausted = True
            return None
        if architecture.id in self._numbers:
            raise StudyError(
                f"A sampler proposes what was never proposed before, but "
                f"{type(self.sampler).__name__} proposed {architecture.id} (task "
                f"{self._numbers[architecture.id]}) again as task {number}."
            )
        if control is not None:
            self.sampler.expect(Task(number, control))
        if self._gap is not None:
            self._gap = next(self._gaps, None)
        else:
            self._next += 1
        self._numbers[architecture.id] = number
        return self._first_of(number, architecture, 0)

    def _first_of(self, number: int, architecture: Architecture, rung: int) -> Task | None:
        """Queue an architecture at a rung under every seed not yet settled; return the first."""
        for seed in self._seeds:
            task = self._task(number, architecture, rung, seed)
            if (number, rung, seed) not in self.running and task not in self._queue:
                self._queue.append(task)
        return self._queued()

    def _task(self, number: int, architecture: Architecture, rung: int, seed: int) -> Task:
        attempt = self._failures[(architecture.id, rung, seed)]
        return Task(number, architecture, rung, seed, attempt)

    def _retryable(self, key: Key) -> bool:
        return key not in self._settled and self._strikes[key[0]] < STRIKES

    def _learn(self, measurement: Measurement) -> None:
        """Take a measurement into memory: ours, the sampler's."""
        self.measurements.append(measurement)
        if self._again is not None:
            self._again.hear(measurement.key)
        if measurement.ok or has_diverged(measurement):
            self._settled.add(measurement.key)
        else:
            self._failures[measurement.key] += 1
            self._strikes[measurement.architecture.id] += int(measurement.extra.get("tries", 1))
        self.sampler.tell(measurement)

    def _complete(self, measurement: Measurement, known: Mapping[str, float]) -> Measurement:
        """Add the exact costs, and see that the objectives are finite."""
        measurement = dataclasses.replace(measurement, costs={**measurement.costs, **known})
        if (remark := self.sampler.remark(measurement.number)) is not None:
            extra = {**measurement.extra, "proposal": remark}
            measurement = dataclasses.replace(measurement, extra=extra)
        if not measurement.ok or self._only_ranks(measurement):
            return measurement
        told = {**measurement.costs, **measurement.values}
        bad = [n for n in self.problem.objectives if not math.isfinite(told.get(n, 0.0))]
        if not bad:
            return measurement
        reason = f"{DIVERGED}: {bad[0]} is {told[bad[0]]}"
        return dataclasses.replace(measurement, status="failed", reason=reason)

    def _only_ranks(self, measurement: Measurement) -> bool:
        """Whether this comes of a rung below the last that does not tell every objective."""
        below = measurement.rung < self.top_rung
        all_there = set(self.problem.measured) <= set(measurement.values)
        return below and not all_there and measurement.signal is not None

    def _replay(self, ledger: Ledger) -> None:
        """Learn all that is recorded, and queue what was begun and is not settled."""
        costs = each(self.problem.cost, [m.architecture for m in ledger.measurements])
        for measurement, known in zip(ledger.measurements, costs, strict=True):
            self._numbers.setdefault(measurement.architecture.id, measurement.number)
            self._learn(self._complete(measurement, known))
        begun = {(m.number, m.rung): m.architecture for m in self.measurements}
        for task in unfinished.noted(
            ledger.path.with_suffix(unfinished.SUFFIX), self.problem.fitting
        ):
            if self._resumes(task, ledger.numbers):
                begun[(task.number, task.rung)] = task.architecture
        numbers = ledger.numbers | set(self._numbers.values())
        self._next = max(numbers, default=-1) + 1
        self._gaps = (n for n in range(self._next) if n not in numbers)  # however many they are
        self._gap = next(self._gaps, None)
        for (number, rung), architecture in sorted(begun.items(), key=lambda item: item[0]):
            for seed in self._seeds:
                task = self._task(number, architecture, rung, seed)
                if self._retryable(task.key):
                    self._queue.append(task)

    def _resumes(self, task: Task, recorded: Collection[int]) -> bool:
        """Whether a task that was under way is still wanted; the sampler hears of a new one."""
        if task.rung > self.top_rung:
            return False
        if task.architecture.id in self._numbers:
            return self._numbers[task.architecture.id] == task.number
        taken = task.number in recorded or task.number in self._numbers.values()
        if taken or self.started >= self.trials or not self.sampler.expect(task):
            return False
        self._numbers[task.architecture.id] = task.number
        return True


__all__ = ["Study", "StudyError"]
