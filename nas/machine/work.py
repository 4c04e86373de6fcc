"""How far long work is that no event of a search tells of, such as decoding images.

Whoever does it counts; a listener, such as the display of a command, is told. Without one nothing
happens, so that a library's user hears of it only on asking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """What is being done to images, how many are ``done``, of how many (None: not known yet).

    ``over`` says that this work has ended, at its end or by an error.
    """

    what: str
    done: int
    total: int | None = None
    over: bool = False


Listener = Callable[[Work], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell a listener of all work that is counted while this is entered."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def counted(images: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield images as they come, and tell the listener after each how many there were."""
    listener, done = _listener.get(), 0
    if listener is None:
        yield from images
        return
    try:
        for image in images:
            yield image
            done += 1
            listener(Work(what, done, total))
    finally:
        listener(Work(what, done, total, over=True))


__all__ = ["Listener", "Work", "counted", "heard_by"]
