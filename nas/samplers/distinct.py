"""One network is evaluated once, also where the space has several names for it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable

from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.problem import ProblemError, SpaceExhausted
from plugnas.space import Architecture

_TRIES = 1000


class Distinct(Sampler):
    """Another sampler, of whose proposals only those of new networks are passed on.

    What is measured of a network is told to the sampler under every name that it proposed.

    Args:
        sampler: the sampler that proposes.
        same: architecture -> key, equal for architectures that are one network.
    """

    def __init__(self, sampler: Sampler, same: Callable[[Architecture], Hashable]) -> None:
        self._sampler, self._same = sampler, same
        self.measures_again = sampler.measures_again
        self._first: dict[Hashable, Architecture] = {}  # the name under which it is evaluated
        self._others: dict[Hashable, list[Architecture]] = defaultdict(list)
        self._told: dict[Hashable, list[Measurement]] = defaultdict(list)

    @property
    def refused(self) -> int | None:
        """Candidates left out so far because they are above the budget."""
        return self._sampler.refused

    def remark(self, number: int) -> str | None:
        """Return what the record should say of the proposal with this number."""
        return self._sampler.remark(number)

    def again(self, number: int, busy: Collection[Architecture]) -> Architecture | None:
        """Return a leader to be measured again, under the name by which it was evaluated."""
        leader = self._sampler.again(number, busy)
        return None if leader is None else self._first.get(self._key(leader), leader)

    def ask(self, number: int) -> Architecture:
        """Return an architecture whose network was never asked for.

        Raises:
            SpaceExhausted: there is none left, or a thousand proposals held no new network.
            ProblemError: ``same`` fails, or what it returns cannot be a key.
        """
        for _ in range(_TRIES):
            asked = self._sampler.ask(number)
            key = self._key(asked)
            if key not in self._first:
                self._first[key] = asked
                return asked
            self._others[key].append(asked)
            for measurement in self._told[key]:
                self._sampler.tell(dataclasses.replace(measurement, architecture=asked))
        raise SpaceExhausted(
            f"{_TRIES} proposals in a row were networks that `same` says were evaluated before"
        )

    def tell(self, measurement: Measurement) -> None:
        """Learn from a measurement, under every name of its network."""
        key = self._key(measurement.architecture)
        self._first.setdefault(key, measurement.architecture)
        self._told[key].append(measurement)
        self._sampler.tell(measurement)
        for other in self._others[key]:
            self._sampler.tell(dataclasses.replace(measurement, architecture=other))

    def expect(self, task: Task) -> bool:
        """Hear of a task that is under way and was not proposed in this session."""
        self._first.setdefault(self._key(task.architecture), task.architecture)
        return self._sampler.expect(task)

    def _key(self, architecture: Architecture) -> Hashable:
        try:
            key = self._same(architecture)
            hash(key)
        except Exception as error:
            raise ProblemError(
                f"`same` must return a key that can be hashed, such as a string or a tuple, but "
                f"for {architecture} it ended with {type(error).__name__}: {error}"
            ) from error
        return key
