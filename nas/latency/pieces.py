"""Every distinct piece that a space can put into a network."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import torch

from plugnas.modules import RefusedError
from plugnas.nas.latency.errors import LatencyError
from plugnas.space import Architecture, Parameter, Position, SearchSpace
from plugnas.space.levels import DECODER_LABELS
from plugnas.space.parts import BLOCK_SLOTS
from plugnas.space.piece import Piece, Shape

Key = tuple[str, tuple[Shape, ...]]
Pieces = dict[Key, Piece]
_SLOTS = (*BLOCK_SLOTS, "context", *DECODER_LABELS, "pooling")


def key_of(piece: Piece) -> Key:
    """Return what a piece is known by: its text and the shapes that enter it."""
    return piece.key, piece.input_shapes


def pieces_of_space(space: SearchSpace, limit: int) -> Pieces:
    """Return the distinct pieces of a space.

    A piece holds one slot, so the slots of a position are varied one at a time. Pieces that a
    module refuses are among them: only building tells.

    Raises:
        LatencyError: there are more than ``limit``.
    """
    pieces: Pieces = {}
    for position in space.positions:
        for row in _rows(space.parameters, position):
            part = space.part_at(position, row)
            if part is not None:
                pieces.update((key_of(piece), piece) for piece in part.pieces())
            if len(pieces) > limit:
                raise LatencyError(
                    f"a latency table of at most {limit} distinct pieces is measured, but this "
                    "space has more; offer fewer modules, settings or widths"
                )
    return pieces


def pieces_of_architectures(space: SearchSpace, architectures: Sequence[Architecture]) -> Pieces:
    """Return the distinct pieces of some architectures."""
    return {
        key_of(piece): piece
        for architecture in architectures
        for part in space.parts(architecture)
        for piece in part.pieces()
    }


def is_buildable(piece: Piece) -> bool:
    """Whether the piece's module does not refuse its site."""
    try:
        with torch.device("meta"):
            piece.build()
    except RefusedError:
        return False
    except (NotImplementedError, RuntimeError):  # a module that must look at its values
        return True
    return True


def _rows(parameters: Sequence[Parameter], position: Position) -> Iterator[list[int]]:
    """Yield codes of a position's columns: all of one slot at a time, the others at their first.

    Columns of no slot (widths, depths) are varied with each.
    """
    columns = [parameters[c] for c in position.columns]
    slots = [slot for slot in _SLOTS if any(p.slot == slot for p in columns)]
    for varied in slots or [""]:  # a stem has none
        yield from _combinations(columns, [slot for slot in slots if slot != varied])


def _combinations(columns: Sequence[Parameter], held: Container[str | None]) -> Iterator[list[int]]:
    """Yield every combination of codes, -1 where inactive; of a slot that is held, the first."""
    place = {parameter.name: i for i, parameter in enumerate(columns)}
    row = [-1] * len(columns)

    def extend(i: int) -> Iterator[list[int]]:
        if i == len(columns):
            yield row
            return
        parameter = columns[i]
        row[i] = -1
        if parameter.parent is not None:
            above = place[parameter.parent]
            if row[above] < 0 or columns[above].choices[row[above]] not in parameter.when:
                yield from extend(i + 1)
                return
        for code in range(1 if parameter.slot in held else len(parameter.choices)):
            row[i] = code
            yield from extend(i + 1)
        row[i] = -1

    return extend(0)
