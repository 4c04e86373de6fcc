"""How many architectures a blueprint holds, refusals excluded: exact, without enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters
from plugnas.space.blueprint import Blueprint
from plugnas.space.decoder_plan import DecoderPlan
from plugnas.space.merging import network
from plugnas.space.options import Choice
from plugnas.space.sizes import halve, ints
from plugnas.space.slots import Slot


def count(blueprint: Blueprint) -> int:
    """Return the exact number of distinct networks.

    A recursion over the stages: what fits a block depends only on the width before and its own.
    Slots chosen once for the network are summed over from outside.
    """
    shared = [slot for slot in blueprint.slots.values() if slot.scope == "network"]
    offered = {slot.name: _representatives(blueprint, slot) for slot in shared}
    free = [slot for slot in shared if all(o.entry.refuses is None for o in slot.options)]
    bound = [slot for slot in shared if slot not in free]
    factor = math.prod(len(offered[slot.name]) for slot in free)
    total = 0
    for fixed in itertools.product(*(offered[slot.name] for slot in bound)):
        names = dict(zip((slot.name for slot in bound), fixed, strict=True))
        total += _Counter(blueprint, names).total()
    return factor * total


def _representatives(blueprint: Blueprint, slot: Slot) -> list[Choice]:
    """One choice of each network, for a slot that is chosen once."""
    sites = blueprint.sites_under(blueprint.places_of[slot.name], {})
    found: dict[object, Choice] = {}
    for choice in slot.choices:
        found.setdefault(network(slot.name, choice, sites), choice)
    return list(found.values())


def _fits(slot: str, choice: Choice, site: Site) -> bool:
    return _fits_by(modules.get(choice.key).refuses, slot, choice, site)


@cache
def _fits_by(refuses: object, slot: str, choice: Choice, site: Site) -> bool:
    """Whether a choice fits a site; found anew where its module ``refuses`` by something else."""
    return adapters.refusal(modules.get(choice.key), slot, site, dict(choice.setting)) is None


def _networks(slot: Slot, fitting: Sequence[Site], agreeing: Sequence[Site]) -> int:
    """How many networks a slot offers that fit some sites and are told apart at some."""
    fit = (c for c in slot.choices if all(_fits(slot.name, c, site) for site in fitting))
    return len({network(slot.name, choice, agreeing) for choice in fit})


def _decoders(plan: DecoderPlan) -> int:
    """How many decoders there are."""
    return sum(
        math.prod(_filled(plan, slot, levels, width) for slot in plan.slots)
        for levels in plan.levels
        for width in plan.widths
    )


def _filled(plan: DecoderPlan, slot: Slot, levels: int, width: int) -> int:
    """Ways to fill a slot of all levels of a decoder."""
    every = range(1, plan.deepest + 1)
    sites = [plan.place(slot, level).site_for((width,)) for level in every]
    if slot.scope == "decoder":
        return _networks(slot, sites[:levels], sites)
    return math.prod(_networks(slot, [site], [site]) for site in sites[:levels])


class _Counter:
    """The recursion under fixed choices of the slots of network scope that may refuse."""

    def __init__(self, blueprint: Blueprint, fixed: dict[str, Choice]) -> None:
        self.blueprint, self.fixed = blueprint, fixed
        self._known: dict[tuple[int, int], int] = {}  # of `_from`: stages meet in few widths
        _, height, width = blueprint.input_shape
        self.sizes = [halve(height, width, blueprint.config.stem.stride)]
        for stage in blueprint.config.stages:
            self.sizes.append(halve(*self.sizes[-1], stage.stride))

    def total(self) -> int:
        return sum(self._from(0, width) for width in ints(self.blueprint.config.stem.width))

    def _from(self, s: int, before: int) -> int:
        """Ways to fill stage s (from 0) and all that follows, after a map of width ``before``."""
        if (s, before) not in self._known:
            self._known[s, before] = self._ways_from(s, before)
        return self._known[s, before]

    def _ways_from(self, s: int, before: int) -> int:
        stages = self.blueprint.config.stages
        if s == len(stages):
            site, plan = Site(before, *self.sizes[-1]), self.blueprint.decoder
            pooled = () if self.blueprint.dense else (self.blueprint.pooling,)
            slots = (self.blueprint.context, *pooled)
            ways = math.prod(_networks(slot, [site], [site]) for slot in slots)
            return ways * (1 if plan is None else _decoders(plan))
        return sum(
            self._stage(s, before, width, depth) * self._from(s + 1, width)
            for width in ints(stages[s].width)
            for depth in ints(stages[s].depth)
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
                ways *= _networks(slot, [first], [first])
                ways *= _networks(slot, [rest], [rest]) ** (depth - 1)
            elif slot.scope == "stage":
                fitting = [first] if depth == 1 else [first, rest]
                ways *= _networks(slot, fitting, self._agreeing(s, first, rest))
        return ways

    def _agreeing(self, s: int, first: Site, rest: Site) -> tuple[Site, ...]:
        """The sites of a stage's choice, those of its deepest form."""
        deepest = max(ints(self.blueprint.config.stages[s].depth))
        return (first,) if deepest == 1 else (first, rest)

    def _sites(self, slot: Slot, s: int, before: int, width: int) -> tuple[Site, Site]:
        rest = Site(width, *self.sizes[s + 1], 1, width)
        if slot.name != "operator":
            return rest, rest
        stride = self.blueprint.config.stages[s].stride
        return Site(before, *self.sizes[s], stride, width), rest
