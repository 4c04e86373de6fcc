"""What plugnas says while a command works: its log messages, printed to standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

from plugnas.nas.machine.log import logger


class _ToStandardError(logging.Handler):
    """Prints each message as a line; a warning is marked as one."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = "nas: warning: " if record.levelno >= logging.WARNING else ""
        print(mark + self.format(record), file=sys.stderr)


@contextlib.contextmanager
def messages_shown() -> Iterator[None]:
    """Show the messages of the logger ``plugnas`` while this is entered."""
    handler, before = _ToStandardError(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


__all__ = ["messages_shown"]
