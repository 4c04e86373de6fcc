"""What modules brought on other images: a hint that comes with the package.

``effects.json`` holds a number for each module of a slot, from random networks on several sets of
images (made by experiments/prior.py). Like every hint it is a part of the mean, with a weight that
is learned and never below 0, and counts only where it predicts better.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from plugnas.nas.machine.reading import read_json
from plugnas.nas.samplers.problem import Hint, Problem
from plugnas.space import SearchSpace

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

FILE = Path(__file__).with_name("effects.json")

SAMPLE = 512
"""Random architectures by which the hint is put on its scale."""


class Effects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds: names of the sets of images, and slot -> module -> effect.

    An effect is the change of a metric (more is better) at equal cost where the module stands all
    over its slot, against the mean of the slot's modules, in log odds; a hint is put on a scale of
    its own, so that the unit does not count.
    """

    sets: list[str]
    effects: dict[str, dict[str, float]]


@cache
def shipped() -> Effects:
    """Return what comes with the package; read at the first need."""
    return read_json(FILE, Effects)


class Prior:
    """The sum over slots of the effects that the modules of an architecture had elsewhere.

    In a slot with several places it is the mean over those that the architecture has. A module
    that was not measured counts as an average one of its slot.

    Args:
        problem: what is searched.
        known: effects of modules.
    """

    name = "modules on other images"
    width = 1

    def __init__(self, problem: Problem, known: Effects) -> None:
        self._slots = _slots(problem.space, known)
        raw = self._raw(problem.space.sample_codes(SAMPLE, problem.rng(0)))
        self._middle, self._spread = float(raw.mean()), float(raw.std())

    @property
    def speaks(self) -> bool:
        """Whether it tells any two architectures apart."""
        return self._spread > 0

    def values(self, codes: Codes, costs: Doubles) -> Doubles:
        """Return what it says of code rows, in one column (n, 1)."""
        return ((self._raw(codes) - self._middle) / (self._spread or 1.0))[:, None]

    def _raw(self, codes: Codes) -> Doubles:
        total = np.zeros(len(codes))
        for columns in self._slots:
            places = np.zeros(len(codes))
            summed = np.zeros(len(codes))
            for j, effects in columns:
                places += codes[:, j] >= 0
                summed += effects[codes[:, j]]  # of what is not active, code -1, the last: 0
            total += summed / np.maximum(places, 1)
        return total


def _slots(space: SearchSpace, known: Effects) -> list[list[tuple[int, Doubles]]]:
    """Return for each known slot the columns of its parameters and their choices' effects, last 0.

    Where fewer than two choices are known, none is told from the others.
    """
    slots: dict[str, list[tuple[int, Doubles]]] = {}
    for j, parameter in enumerate(space.parameters):
        effects = known.effects.get(parameter.slot or "")
        if effects is None or parameter.families is None:  # the settings of a module have none
            continue
        values = np.array([effects.get(str(choice), 0.0) for choice in parameter.choices])
        if sum(str(choice) in effects for choice in parameter.choices) < 2:
            values[:] = 0.0
        slots.setdefault(parameter.slot or "", []).append((j, np.append(values, 0.0)))
    return list(slots.values())


def prior_of(problem: Problem, known: Effects | None = None) -> tuple[Hint, ...]:
    """Return the hint on modules; none for a space that has no network of our modules of its own.

    What was learned of networks trained from scratch is not said of a host.

    Args:
        problem: what is searched.
        known: effects of modules; None: those that come with the package.
    """
    space = problem.space
    if not space.has_network or space.host is not None:
        return ()
    hint = Prior(problem, shipped() if known is None else known)
    return (hint,) if hint.speaks else ()


__all__ = ["FILE", "Effects", "Prior", "prior_of", "shipped"]
