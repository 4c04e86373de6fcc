"""Files as they are read: regular ones only, and JSON only as the type with ranges it should be.

Whatever lies in a run directory may be damaged, or come from somebody else. A pipe or a device in
the place of a file would make a reader wait for ever, a number without a range would fill memory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec

T = TypeVar("T")

Number = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
"""A count or a number of something."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""An amount, such as FLOPs or bytes."""
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Some = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
"""A number of something of which there is at least one."""
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Part = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""A share of something that leaves a rest."""
Moment = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Seconds since 1970."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Raises:
        OSError: it cannot be read, or is a folder, a pipe or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file (a pipe or a device)", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_bytes(path: Path) -> bytes:
    """Return what a regular file holds. Raises OSError as ``opened``."""
    with opened(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return a regular file's text, UTF-8. Raises OSError, or ValueError where it is no text."""
    return read_bytes(path).decode("utf-8")


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
"""By the type: to make one takes longer than to decode a line."""


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return JSON data as the type that it should be.

    Raises:
        ValueError: it is no JSON, has another type or leaves a range; the text names the place.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path, kind: type[T]) -> T:
    """Read a JSON file as the type that it should be. Raises OSError and ValueError as above."""
    return decode(read_bytes(path), kind)


__all__ = [
    "Count",
    "Moment",
    "NotNegative",
    "Number",
    "Part",
    "Positive",
    "Probability",
    "Seed",
    "Some",
    "decode",
    "opened",
    "read_bytes",
    "read_json",
    "read_text",
]
