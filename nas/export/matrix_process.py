"""Modules tried in a process of their own: one that hangs or crashes costs its own answer alone."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

SECONDS = 120.0
"""What one runtime may take for one module, its export included."""
MODULES = 40
"""Modules after which a process makes room for a new one: exporters keep what they have traced."""

Tried = Callable[[str, Sequence[str]], Iterator[tuple[str, str]]]


def try_key(key: str, runtimes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each runtime with what it says to the module of this key."""
    from plugnas import modules
    from plugnas.nas.export.matrix import try_module

    return try_module(modules.get(key), runtimes)


class Trial:
    """A process that tries modules; replaced when it hangs, dies or has tried many.

    Args:
        seconds: what one runtime may take for one module.
        tried: what the process does with a key and runtimes; importable by name.
    """

    def __init__(self, seconds: float = SECONDS, tried: Tried = try_key) -> None:
        self.seconds = seconds
        self._tried = tried
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._done = 0

    def answers(self, key: str, runtimes: Sequence[str]) -> dict[str, str]:
        """Return what each runtime says to a module, or how it ended without an answer."""
        left, found = list(runtimes), dict[str, str]()
        while left:
            connection = self._ready()
            connection.send((key, left))
            while left:
                answer = self._next(connection)
                found[left.pop(0)] = answer.text
                if answer.ended:
                    self.close()
                    break
        return found

    def _next(self, connection: Connection) -> _Answer:
        if not connection.poll(self.seconds):
            return _Answer(f"does not end within {self.seconds:g} s", ended=True)
        try:
            return _Answer(connection.recv(), ended=False)
        except EOFError:
            return _Answer("ends the process that tries it", ended=True)

    def _ready(self) -> Connection:
        """Return the connection to a process that waits for a module."""
        if self._done >= MODULES:
            self.close()
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, there = context.Pipe()
            self._process = context.Process(target=_serve, args=(there, self._tried), daemon=True)
            self._process.start()
            there.close()
            self._connection.recv()  # it has imported what it needs
        self._done += 1
        return self._connection

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process, self._connection, self._done = None, None, 0

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Answer:
    """What a runtime says to a module, and whether the process that asked it has ended."""

    def __init__(self, text: str, *, ended: bool) -> None:
        self.text, self.ended = text, ended


def _serve(connection: Connection, tried: Tried) -> None:
    """Answer key after key, runtime by runtime, until the parent closes the connection."""
    import torch

    torch.set_num_threads(1)
    if tried is try_key:
        from plugnas.nas.export.matrix import warm_up

        warm_up()  # slow to import, and its time is no module's
    connection.send(None)
    with contextlib.suppress(EOFError, OSError):
        while True:
            key, runtimes = connection.recv()
            for _, text in tried(key, runtimes):
                connection.send(text)


__all__ = ["MODULES", "SECONDS", "Trial", "try_key"]
