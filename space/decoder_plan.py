"""A job's ``decoder:`` section compiled: its parameters, positions and places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plugnas.space.config import Choices, DecoderConfig, LevelSlotConfig, SpaceConfig
from plugnas.space.levels import DECODER_SLOTS, Join, joins
from plugnas.space.options import resolve
from plugnas.space.parameter import Parameter
from plugnas.space.piece import Shape
from plugnas.space.sizes import halve, ints
from plugnas.space.slots import Place, Slot, slot_parameters

LEVELS, WIDTH = "decoder.levels", "decoder.width"


@dataclass(frozen=True)
class DecoderPlan:
    """The levels that there could be, the deepest first, and the slots of each.

    ``below`` and ``above`` are (height, width) of the maps that a level joins.
    """

    joins: tuple[Join, ...]
    levels: tuple[int, ...]
    widths: tuple[int, ...]
    slots: tuple[Slot, ...]
    sizes: tuple[tuple[int, int], ...]  # of the smallest map, then of each level's

    @classmethod
    def of(cls, config: SpaceConfig, input_shape: Shape) -> DecoderPlan | None:
        """Compile the section; None where there is none."""
        given = config.decoder
        if given is None:
            return None
        found = joins([stage.stride for stage in config.stages])
        maps = [halve(*input_shape[1:], config.stem.stride)]
        for stage in config.stages:
            maps.append(halve(*maps[-1], stage.stride))
        sizes = (maps[-1], *(maps[join.stage] for join in found))
        levels = (len(found),) if given.levels is None else ints(given.levels)
        slots = tuple(_slot(name, given) for name in DECODER_SLOTS)
        return cls(found, levels, ints(given.width), slots, sizes)

    @property
    def deepest(self) -> int:
        """The largest number of levels."""
        return max(self.levels)

    def holder(self, slot: Slot, level: int) -> str:
        """Return the parameter that holds a slot of a level."""
        inner = f"level{level}." if slot.scope == "level" else ""
        return f"decoder.{inner}{slot.name}"

    def parameters(self) -> Iterator[Parameter]:
        """Yield levels, width, and the slots; those of a level that may not be there under it."""
        yield Parameter(LEVELS, self.levels, slot="depth")
        yield Parameter(WIDTH, self.widths, slot="width")
        for slot in self.slots:
            if slot.scope == "decoder":
                yield from slot_parameters(slot, self.holder(slot, 0), label=_label(slot))
        for level in range(1, self.deepest + 1):
            deep = tuple(n for n in self.levels if n >= level)
            parent = None if deep == self.levels else LEVELS
            for slot in self.slots:
                if slot.scope == "level":
                    name, when = self.holder(slot, level), deep if parent else ()
                    yield from slot_parameters(slot, name, parent, when, _label(slot))

    def positions(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the name of each level's position and the parameters that hold its slots."""
        for level in range(1, self.deepest + 1):
            yield f"decoder.level{level}", [self.holder(slot, level) for slot in self.slots]

    def places(self) -> Iterator[Place]:
        """Yield where each slot of each level stands."""
        for level in range(1, self.deepest + 1):
            for slot in self.slots:
                yield self.place(slot, level)

    def place(self, slot: Slot, level: int) -> Place:
        """Return where a slot of a level stands."""
        size = self.sizes[level - 1 if slot.name == "upsampling" else level]
        shared = slot.scope == "decoder" and level > min(self.levels)
        return Place(
            slot,
            self.holder(slot, level),
            (WIDTH,),
            (0, *size),
            depth=(LEVELS, level) if shared else None,
            scale=self.joins[level - 1].scale if slot.name == "upsampling" else 2,
        )


def _label(slot: Slot) -> str:
    """Return what a slot is called, apart from the encoder's of that name."""
    return f"decoder.{slot.name}"


def _slot(name: str, config: DecoderConfig) -> Slot:
    given: LevelSlotConfig | Choices = getattr(config, name)
    where = f"space.decoder.{name}"
    if isinstance(given, LevelSlotConfig):
        return Slot(name, resolve(name, given.choices, f"{where}.choices"), given.scope)
    return Slot(name, resolve(name, given, where), "level")


__all__ = ["DecoderPlan"]
