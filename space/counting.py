"""How many architectures a blueprint holds, refusals excluded: exact, without enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters
from plugnas.space.blueprint import Blueprint, _halve, _ints
from plugnas.space.options import Choice
from plugnas.space.parameter import Parameter
from plugnas.space.slots import Slot


def count(blueprint: Blueprint) -> int:
    """Return the exact number of distinct architectures.

    A recursion over the stages: what fits a block depends only on the width before and its own.
    Slots chosen once for the network are summed over from outside.
    """
    shared = [slot for slot in blueprint.slots.values() if slot.scope == "network"]
    free = [slot for slot in shared if all(o.entry.refuses is None for o in slot.options)]
    bound = [slot for slot in shared if slot not in free]
    factor = math.prod(len(list(slot.choices())) for slot in free)
    total = 0
    for fixed in itertools.product(*(slot.choices() for slot in bound)):
        names = dict(zip((slot.name for slot in bound), fixed, strict=True))
        total += _Counter(blueprint, names).total()
    return factor * total


def count_tree(parameters: Sequence[Parameter]) -> int:
    """Return the number of architectures of parameters that nothing refuses."""
    choices = {p.name: p.choices for p in parameters}
    ways = {p.name: [1] * len(p.choices) for p in parameters}  # below each choice
    total = 1
    for p in reversed(parameters):  # children come after their parents
        own = sum(ways[p.name])
        if p.parent is None:
            total *= own
            continue
        for i, choice in enumerate(choices[p.parent]):
            if choice in p.when:
                ways[p.parent][i] *= own
    return total


@cache
def _fits(slot: str, choice: Choice, site: Site) -> bool:
    entry = modules.get(choice.key)
    return adapters.refusal(entry, slot, site, dict(choice.setting)) is None


class _Counter:
    """The recursion under fixed choices of the slots of network scope that may refuse."""

    def __init__(self, blueprint: Blueprint, fixed: dict[str, Choice]) -> None:
        self.blueprint, self.fixed = blueprint, fixed
        _, height, width = blueprint.input_shape
        self.sizes = [_halve(height, width, blueprint.config.stem.stride)]
        for stage in blueprint.config.stages:
            self.sizes.append(_halve(*self.sizes[-1], stage.stride))

    def total(self) -> int:
        return sum(self._from(0, width) for width in _ints(self.blueprint.config.stem.width))

    def _from(self, s: int, before: int) -> int:
        """Ways to fill stage s (from 0) and all that follows, after a map of width ``before``."""
        stages = self.blueprint.config.stages
        if s == len(stages):
            site = Site(before, *self.sizes[-1])
            return math.prod(
                sum(_fits(slot.name, choice, site) for choice in slot.choices())
                for slot in (self.blueprint.context, self.blueprint.pooling)
            )
        return sum(
            self._stage(s, before, width, depth) * self._from(s + 1, width)
            for width in _ints(stages[s].width)
            for depth in _ints(stages[s].depth)
        )

    def _stage(self, s: int, before: int, width: int, depth: int) -> int:
        ways = 1
        for slot in self.blueprint.slots.values():
            first, rest = self._sites(slot, s, before, width)
            if slot.name in self.fixed:
                choice = self.fixed[slot.name]
                ways *= _fits(slot.name, choice, first)
                ways *= depth == 1 or _fits(slot.name, choice, rest)
            elif slot.scope == "block":
                ways *= sum(_fits(slot.name, c, first) for c in slot.choices())
                ways *= sum(_fits(slot.name, c, rest) for c in slot.choices()) ** (depth - 1)
            elif slot.scope == "stage":
                ways *= sum(
                    _fits(slot.name, c, first) and (depth == 1 or _fits(slot.name, c, rest))
                    for c in slot.choices()
                )
        return ways

    def _sites(self, slot: Slot, s: int, before: int, width: int) -> tuple[Site, Site]:
        rest = Site(width, *self.sizes[s + 1], 1, width)
        if slot.name != "operator":
            return rest, rest
        stride = self.blueprint.config.stages[s].stride
        return Site(before, *self.sizes[s], stride, width), rest
