"""The curve of a recorded training, kept as the JSON that it is until somebody looks at it.

A run of a hundred thousand measurements has some ten points of each, and a page draws a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from plugnas.nas.machine.reading import decode

Point = Mapping[str, Any]


class Curve(Sequence[Point]):
    """The points of a curve, one an epoch; equal to a tuple of the same points."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        """Take the JSON of a list of points. Raises ValueError where it is none."""
        decode(text, tuple[dict[str, Any], ...])
        self._text = text

    def _points(self) -> tuple[Point, ...]:
        return decode(self._text, tuple[dict[str, Any], ...])

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        """Return a point, or some of them."""
        return self._points()[index]

    def __len__(self) -> int:
        return len(self._points())

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Curve | tuple) and self._points() == tuple(other)

    def __repr__(self) -> str:
        return repr(self._points())


__all__ = ["Curve"]
