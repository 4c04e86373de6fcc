"""A job's ``space:`` section compiled: parameters, positions and refusals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from torch import nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters
from plugnas.space.codes import Rule
from plugnas.space.config import Choices, SlotConfig, SpaceConfig
from plugnas.space.decoder_plan import DecoderPlan
from plugnas.space.levels import DECODER_LABELS
from plugnas.space.merging import Merging
from plugnas.space.network import Network, Part
from plugnas.space.options import Choice, resolve
from plugnas.space.parameter import Parameter, Token
from plugnas.space.parts import BLOCK_SLOTS, Values, part_at, parts_of, scoped_name
from plugnas.space.piece import Shape
from plugnas.space.sizes import Head, check, halve, ints
from plugnas.space.slots import Place, Position, Refusing, Slot, slot_parameters


class Blueprint:
    """The compiled space; raises SpaceError where the section contradicts itself.

    Args:
        config: the section.
        input_shape: (C, H, W) of an image.
        classes: outputs of the network.
        head: what the network ends in.
    """

    def __init__(
        self, config: SpaceConfig, input_shape: Shape, classes: int, head: Head = "pooled"
    ) -> None:
        check(config, input_shape, classes, head)
        self.config, self.input_shape, self.classes = config, input_shape, classes
        self.dense = head == "dense"
        self.slots = {name: _slot(name, getattr(config.slots, name)) for name in BLOCK_SLOTS}
        self.context = Slot("context", resolve("context", config.context, "space.context"))
        self.pooling = Slot("pooling", resolve("pooling", config.pooling, "space.pooling"))
        self.decoder = DecoderPlan.of(config, input_shape)
        self._refusal = cache(self._refusal_uncached)
        self.parameters = tuple(self._parameters())
        self._index = {p.name: j for j, p in enumerate(self.parameters)}
        self.positions = tuple(self._positions())
        self.places = tuple(self._places())
        self.merges = tuple(
            merge
            for name, places in self.places_of.items()
            for merge in self._merging(name, places).merges(places[0].slot.options)
        )
        self.rules = tuple(rule for place in self.places for rule in self._rules(place))

    # --- parameters -----------------------------------------------------------------------------

    def _parameters(self) -> Iterator[Parameter]:
        config = self.config
        yield Parameter("input", ("x".join(map(str, self.input_shape)),), slot="input")
        yield Parameter("classes", (self.classes,), slot="classes")
        yield Parameter("stem.width", ints(config.stem.width), slot="width")
        yield Parameter("stem.kernel_size", (config.stem.kernel_size,), slot="kernel_size")
        yield Parameter("stem.stride", (config.stem.stride,), slot="stride")
        for slot in self.slots.values():
            if slot.scope == "network":
                yield from slot_parameters(slot, slot.name)
        for s, stage in enumerate(config.stages, 1):
            yield Parameter(f"stage{s}.width", ints(stage.width), slot="width")
            yield Parameter(f"stage{s}.stride", (stage.stride,), slot="stride")
            yield Parameter(f"stage{s}.depth", ints(stage.depth), slot="depth")
            for slot in self.slots.values():
                if slot.scope == "stage":
                    yield from slot_parameters(slot, f"stage{s}.{slot.name}")
            depths = ints(stage.depth)
            for b in range(1, max(depths) + 1):
                deep = tuple(d for d in depths if d >= b)
                parent = None if deep == depths else f"stage{s}.depth"
                for slot in self.slots.values():
                    if slot.scope == "block":
                        name = f"stage{s}.block{b}.{slot.name}"
                        yield from slot_parameters(slot, name, parent, deep if parent else ())
        yield from slot_parameters(self.context, "context")
        if self.decoder is not None:
            yield from self.decoder.parameters()
        if self.dense:
            yield Parameter("head", ("dense",), slot="head")
        else:
            yield from slot_parameters(self.pooling, "pooling")

    # --- positions ------------------------------------------------------------------------------

    def _columns(self, exact: list[str], slots: list[str]) -> tuple[int, ...]:
        """Columns of the named parameters and of the slots with the settings below them."""
        below = tuple(f"{name}." for name in slots)
        wanted = {*exact, *slots}
        return tuple(
            j
            for j, p in enumerate(self.parameters)
            if p.name in wanted or (p.slot in self.slot_names and p.name.startswith(below))
        )

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The slots of the skeleton."""
        return (*BLOCK_SLOTS, "context", *DECODER_LABELS, "pooling")

    def _positions(self) -> Iterator[Position]:
        size = ["input", "stem.stride"]
        stages = range(1, len(self.config.stages) + 1)
        # The head looks for the last stage by its width, so every width is among its columns; with
        # a decoder every part depends on which maps wait for it.
        sizes = [f"stage{s}.stride" for s in stages]
        widths = ["stem.width", *(f"stage{s}.width" for s in stages)]
        waiting = [] if self.decoder is None else [*sizes, *widths, "decoder.levels"]
        yield Position("stem", self._columns([*size, "stem.width", "stem.kernel_size"], []))
        before = "stem.width"
        for s, stage in enumerate(self.config.stages, 1):
            size.append(f"stage{s}.stride")
            for b in range(1, max(ints(stage.depth)) + 1):
                exact = [*size, before, f"stage{s}.width", f"stage{s}.depth", *waiting]
                holders = [scoped_name(x.name, s, b, x.scope) for x in self.slots.values()]
                yield Position(f"stage{s}.block{b}", self._columns(exact, holders))
            before = f"stage{s}.width"
        yield Position("context", self._columns([*size, *widths, *waiting], ["context"]))
        if self.decoder is not None:
            for name, holders in self.decoder.positions():
                exact = [*size, *waiting, "decoder.width"]
                yield Position(name, self._columns(exact, holders))
        last = ["classes", "head", "decoder.width", *waiting]
        yield Position("head", self._columns([*size, *widths, *last], ["pooling"]))

    # --- networks -------------------------------------------------------------------------------

    def parts(self, values: Values) -> tuple[Part, ...]:
        """Return the parts of an architecture's network, in order."""
        return parts_of(values)

    def part_at(self, position: str, values: Values) -> Part | None:
        """Return the part at a position, or None where it is absent."""
        return part_at(position, values)

    def build(self, values: Values) -> nn.Module:
        """Return an architecture's network with fresh weights."""
        return Network(parts_of(values))

    # --- refusals -------------------------------------------------------------------------------

    def _places(self) -> Iterator[Place]:
        _, height, width = self.input_shape
        height, width = halve(height, width, self.config.stem.stride)
        before = "stem.width"
        for s, stage in enumerate(self.config.stages, 1):
            here = f"stage{s}.width"
            after = halve(height, width, stage.stride)
            depths = ints(stage.depth)
            for b in range(1, max(depths) + 1):
                entering = (height, width) if b == 1 else after
                for slot in self.slots.values():
                    name = scoped_name(slot.name, s, b, slot.scope)
                    operator = slot.name == "operator"
                    shared = slot.scope != "block" and b > min(depths)
                    yield Place(
                        slot,
                        name,
                        (before, here) if operator and b == 1 else (here,),
                        (0, *(entering if operator else after)),
                        stage.stride if operator and b == 1 else 1,
                        (f"stage{s}.depth", b) if shared else None,
                    )
            before, (height, width) = here, after
        yield Place(self.context, "context", (before,), (0, height, width))
        if self.decoder is not None:
            yield from self.decoder.places()
        if not self.dense:
            yield Place(self.pooling, "pooling", (before,), (0, height, width))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory of refusals out: a cache cannot travel to another process."""
        return {name: value for name, value in vars(self).items() if name != "_refusal"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what travelled, with an empty memory of refusals."""
        vars(self).update(state)
        self._refusal = cache(self._refusal_uncached)

    def _refusal_uncached(self, slot: str, choice: Choice, site: Site) -> str | None:
        return adapters.refusal(modules.get(choice.key), slot, site, dict(choice.setting))

    def _rules(self, place: Place) -> Iterator[Rule]:
        """Yield the rules of a place; a place that nothing fits is an error."""
        name = f"slot `{place.parameter}`"
        return self._refusing(place).rules(place.slot.options, name, "another width")

    @property
    def places_of(self) -> dict[str, list[Place]]:
        """For each parameter that names a module, the places where its choice stands."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            found.setdefault(place.parameter, []).append(place)
        return found

    def sites_under(self, places: Sequence[Place], fixed: Mapping[str, Token]) -> list[Site]:
        """Return the sites of places under fixed widths, and under all where none is fixed."""
        found: dict[Site, None] = {}
        for place in places:
            offered = [self.parameters[self._index[name]].choices for name in place.widths]
            lists = [
                (fixed[name],) if name in fixed else choices
                for name, choices in zip(place.widths, offered, strict=True)
            ]
            for widths in itertools.product(*lists):
                found[place.site_for(tuple(map(int, widths)))] = None
        return list(found)

    def _merging(self, name: str, places: Sequence[Place]) -> Merging:
        slot = places[0].slot
        widths = tuple(dict.fromkeys(width for place in places for width in place.widths))
        if slot.name in self.slots and slot.scope == "network":
            widths = ()  # one choice for all stages: what is merged is so at every width

        def sites(held: tuple[Token, ...]) -> list[Site]:
            return self.sites_under(places, dict(zip(widths, held, strict=True)))

        return Merging(self.parameters, self._index, name, slot.name, sites, widths)

    def _refusing(self, place: Place) -> Refusing:
        def refusal(widths: tuple[Token, ...], choice: Choice) -> str | None:
            site = place.site_for(tuple(map(int, widths)))
            return self._refusal(place.slot.name, choice, site)

        only_where = None
        if place.depth:  # refused only where the block exists
            name, least = place.depth
            depths = self.parameters[self._index[name]].choices
            only_where = (name, tuple(d for d in depths if int(d) >= least))
        return Refusing(
            self.parameters, self._index, place.parameter, refusal, place.widths, only_where
        )


def _slot(name: str, given: SlotConfig | Choices) -> Slot:
    where = f"space.slots.{name}"
    if isinstance(given, SlotConfig):
        return Slot(name, resolve(name, given.choices, f"{where}.choices"), given.scope)
    return Slot(name, resolve(name, given, where), "block")
