"""What parts cost: counted once, kept by (part key, input shape), kept with the run."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from plugnas import modules
from plugnas.nas.cost.counter import Counts, count
from plugnas.nas.cost.errors import CostError, UncountedOperatorError
from plugnas.nas.cost.stamp import stamp
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import Count, Number, decode, read_bytes
from plugnas.nas.machine.threads import threads
from plugnas.space import Part
from plugnas.space.piece import Piece, Shape

# Below so many input elements arithmetic is cheaper than the meta device's bookkeeping in Python.
_SMALL = 2**16
VERSION = 3  # 2 knew no bytes of weights
PEAKS = {"memory": 4, "memory_2": 2, "memory_1": 1}  # bytes of a real number in each
WEIGHTS = ("weights_4", "weights_2", "weights_1")
FIELDS = ("params", "macs", "elementwise", *PEAKS, *WEIGHTS)
"""What is kept of the counts of a piece, in order."""

Key = tuple[str, tuple[int, int, int], int]


class CostTable:
    """Counts of parts in deploy form, float32, batch 1; a part that is missing is counted.

    A saved table carries a stamp of torch's version and of the sources that decide a count; one
    with another stamp is left aside and counted anew, since its numbers may no longer hold.
    """

    def __init__(self) -> None:
        self._parts: dict[Key, Counts] = {}
        self.pieces: dict[tuple[str, tuple[Shape, ...]], Counts] = {}

    def __len__(self) -> int:
        return len(self.pieces)

    def counts(self, part: Part) -> Counts:
        """Return what the part costs, counting it at the first call.

        Raises:
            UncountedOperatorError: one of its operators has no counting rule.
        """
        key = (part.key, part.input_shape, part.beside)
        if key not in self._parts:
            try:
                self._parts[key] = self._sum(part)
            except UncountedOperatorError as error:
                raise UncountedOperatorError(f"{part.position} ({part.key}): {error}") from None
        return self._parts[key]

    def _sum(self, part: Part) -> Counts:
        """Add up the pieces; of activations the peak, each with what is alive beside it.

        What a replacement takes out of a host counts with a minus; its memory counts not at all.
        """
        pieces = part.pieces()
        counts = [self._piece(piece) for piece in pieces]
        both = list(zip(pieces, counts, strict=True))

        def total(name: str) -> int:
            return sum(p.times * getattr(c, name) for p, c in both)

        def peak(name: str, width: int) -> int:
            alive = (getattr(c, name) + width * p.beside for p, c in both if p.times > 0)
            return width * part.beside + max(alive, default=0)

        found: dict[str, Any] = {n: total(n) for n in ("params", "macs", "elementwise", *WEIGHTS)}
        found |= {name: peak(name, width) for name, width in PEAKS.items()}
        return Counts(**found)

    def _piece(self, piece: Piece) -> Counts:
        key = (piece.key, piece.input_shapes)
        if key not in self.pieces:
            self.pieces[key] = _count_piece(piece)
        return self.pieces[key]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, whole or not at all."""
        rows = [
            [key, shapes, *(getattr(c, name) for name in FIELDS)]
            for (key, shapes), c in self.pieces.items()
        ]
        data = {"cost_table": VERSION, "stamp": stamp(), "crc": _checksum(rows), "pieces": rows}
        write_text(Path(path), json.dumps(data))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CostTable:
        """Read a saved table; an empty one where the file is missing or its stamp is old.

        Raises:
            CostError: the file exists and is no cost table.
        """
        table = cls()
        if not Path(path).exists():
            return table
        try:
            data = read_bytes(Path(path))
            if decode(data, _Head) == _Head(VERSION, stamp()):
                saved = decode(data, _Saved)
                if saved.crc != _checksum(saved.pieces):
                    raise ValueError("its checksum is that of other figures")
                for key, shapes, *numbers in saved.pieces:
                    table.pieces[key, tuple(map(tuple, shapes))] = Counts(*numbers)  # type: ignore[arg-type]
        except OSError as error:
            raise CostError(
                f"{path} cannot be read: {error.strerror}; delete it and it is counted anew"
            ) from None
        except ValueError as error:
            raise CostError(
                f"{path} is not a cost table ({error}); delete it and it is counted anew"
            ) from None
        return table


class _Head(msgspec.Struct, frozen=True):
    """What a saved table says before its figures."""

    cost_table: Number
    stamp: str


_Row = tuple[str, list[list[Number]], Count, Count, Count, Count, Count, Count, Count, Count, Count]


class _Saved(msgspec.Struct, frozen=True):
    """A saved table of this version."""

    crc: Count
    pieces: list[_Row]


def _checksum(rows: Sequence[Any]) -> int:
    """Return the CRC-32 of a table's figures, so that a changed one is found."""
    return zlib.crc32(json.dumps(rows).encode())


def _count_piece(piece: Piece) -> Counts:
    """Count where it is faster; both devices give the same sums, which a test holds.

    The peak of memory may differ a little where kernels return other strides; which device counts
    depends on the input shapes alone, so that a piece always has one figure.
    """
    if sum(map(math.prod, piece.input_shapes)) > _SMALL:
        try:
            return _count_on(piece, "meta")
        except (NotImplementedError, RuntimeError):
            pass  # a module that must look at its values: the CPU has them
    return _count_on(piece, "cpu")


def _count_on(piece: Piece, device: str) -> Counts:
    # One thread: the tensors are small, and others may be training.
    with torch.random.fork_rng(devices=[]), torch.device(device), threads(1):
        module = modules.fuse(piece.build())
        return count(module, *(torch.zeros(1, *shape) for shape in piece.input_shapes))
