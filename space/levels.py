"""What a decoder's levels join: which map of the encoder each takes in, read from the values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugnas.space.parameter import Token

DECODER_SLOTS = ("upsampling", "fusion", "operator", "attention", "activation")
DECODER_LABELS = tuple(f"decoder.{slot}" for slot in DECODER_SLOTS)
"""What its slots are called where choices are compared, apart from the encoder's of these names."""

Values = Mapping[str, Token]
Size = tuple[int, int]


@dataclass(frozen=True)
class Join:
    """One level that could be: ``stage`` is the encoder's stage whose map it takes in, 0 the stem.

    The map from below is ``scale`` times smaller.
    """

    stage: int
    scale: int

    @property
    def source(self) -> str:
        """The child of the network that makes the map."""
        return f"stage{self.stage}" if self.stage else "stem"

    @property
    def width(self) -> str:
        """The parameter that holds the map's channels."""
        return f"{self.source}.width"


def joins(strides: Sequence[int]) -> tuple[Join, ...]:
    """Return the levels from the deepest: one for each size of map but the smallest.

    Of the maps of one size the last is taken in.

    Args:
        strides: of the stages, in order.
    """
    steps = [s for s, stride in enumerate(strides, 1) if stride > 1]
    return tuple(Join(s - 1, strides[s - 1]) for s in reversed(steps))


def joins_of(values: Values) -> tuple[Join, ...]:
    """Return the levels that an architecture's strides allow, the deepest first."""
    strides: list[int] = []
    while (stride := values.get(f"stage{len(strides) + 1}.stride")) is not None:
        strides.append(int(stride))
    return joins(strides)


def size_after(stage: int, values: Values) -> Size:
    """Return the height and width of the map that a stage makes, 0: the stem."""
    _, height, width = map(int, str(values["input"]).split("x"))
    strides = [int(values["stem.stride"])]
    strides += [int(values[f"stage{s}.stride"]) for s in range(1, stage + 1)]
    for stride in strides:
        height, width = math.ceil(height / stride), math.ceil(width / stride)
    return height, width


def waiting(stage: int, block: int, values: Values) -> int:
    """Return how many values of earlier maps wait for the decoder while a block runs.

    The block's own input is left out: whoever counts the block counts it. The context stands
    after the last stage, so it is asked for as a further stage's second block.
    """
    if "decoder.levels" not in values:
        return 0
    taken = joins_of(values)[: int(values["decoder.levels"])]
    held = [j for j in taken if j.stage < stage - 1 or (j.stage == stage - 1 and block > 1)]
    return sum(_values_of(join, values) for join in held)


def waiting_above(level: int, values: Values) -> int:
    """Return how many values wait for the levels after this one, counted from 1."""
    taken = joins_of(values)[level : int(values["decoder.levels"])]
    return sum(_values_of(join, values) for join in taken)


def _values_of(join: Join, values: Values) -> int:
    return int(values[join.width]) * math.prod(size_after(join.stage, values))


__all__ = [
    "DECODER_LABELS",
    "DECODER_SLOTS",
    "Join",
    "joins",
    "joins_of",
    "size_after",
    "waiting",
    "waiting_above",
]
