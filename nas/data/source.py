"""What every kind of image source gives to the decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import PIL.Image

from plugnas.nas.data.stack import Stack

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Listing:
    """What a source holds, in a fixed order, before any pixel is read.

    ``labels[i]`` is the class (an index into ``classes``) and ``parts[i]`` the part (an index
    into ``PARTS``) of image ``names[i]``. ``notes`` are sentences the user should see. ``groups``
    are names, one for each image or none at all: what shares one must stay in one part.
    """

    names: Sequence[str]
    labels: Sequence[int]
    parts: Sequence[int]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    groups: Sequence[str] = ()


Opener = Callable[[], PIL.Image.Image | Stack]


class Source(Protocol):
    """A place that images come from."""

    name: str
    mirror: bool

    def identity(self) -> str:
        """Return text that changes when the images do; reads no pixels."""

    def listing(self) -> Listing:
        """Return what there is."""

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        """Yield (index, function that opens that image) for ``wanted`` in any order.

        The function may run in another thread and raises where the image is broken.
        """
