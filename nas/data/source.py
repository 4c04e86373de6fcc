"""What every kind of image source gives to the decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.masks import Meaning
from plugnas.nas.data.stack import Stack

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Listing:
    """What a source holds, in a fixed order, before any pixel is read.

    ``labels[i]`` is the class (an index into ``classes``) and ``parts[i]`` the part (an index
    into ``PARTS``) of image ``names[i]``. ``notes`` are sentences the user should see. ``groups``
    are names, one for each image or none at all: what shares one must stay in one part. Where an
    image may have several labels, ``labels`` are places in ``marks``, rows of 0 and 1 by class.
    """

    names: Sequence[str]
    labels: Sequence[int]
    parts: Sequence[int]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    groups: Sequence[str] = ()
    marks: Sequence[tuple[int, ...]] = ()


Opener = Callable[[], PIL.Image.Image | Stack]
MaskReader = Callable[[], NDArray[np.uint8]]
"""Reads the labels of one mask, (H, W), at its own size; raises as an opener does."""


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


@runtime_checkable
class MaskedSource(Source, Protocol):
    """A source of which every image has a mask; its listing's labels are all 0."""

    def meaning(self) -> Meaning:
        """Return what the numbers in the masks mean."""

    def masks(self, wanted: Sequence[int]) -> Iterator[tuple[int, MaskReader]]:
        """Yield (index, function that reads that image's mask) for ``wanted`` in any order."""
