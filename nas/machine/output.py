"""Output whose reader may close it (``| head``): later text is dropped, and the work goes on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

_COMMANDS = [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_WRITTEN_OUT = {code: ascii(chr(code))[1:-1] for code in _COMMANDS if chr(code) not in "\n\r\t"}
"""What a terminal obeys: control characters, and those that turn the direction of text."""


class LastingStream:
    """A text stream that outlives its reader (``| head``): what comes after is dropped.

    With ``plain``, signs that command a terminal (in the name of a file, say) are written out.
    """

    def __init__(self, stream: TextIO, *, plain: bool = False) -> None:
        self._stream = stream
        self._signs = _WRITTEN_OUT if plain else {}

    def write(self, text: str) -> int:
        """Write text, or drop it where nobody reads any more."""
        try:
            return self._stream.write(text.translate(self._signs))
        except BrokenPipeError:
            self._drop()
            return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write texts one after another."""
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        """Pass on what was written, or drop it where nobody reads any more."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self) -> None:
        """Point the stream at the null device, with what it still holds."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def lasting_output(*, plain: bool = False) -> Iterator[None]:
    """Let standard output and standard error outlive their readers while this is entered.

    With ``plain``, signs that command a terminal are written out.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (LastingStream(stream, plain=plain) for stream in before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Drop what is printed, warned of and logged while this is entered.

    For the progress and advice of other libraries' converters, where what they made is checked
    afterwards.
    """
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    nowhere = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


__all__ = ["LastingStream", "lasting_output", "unheard"]
