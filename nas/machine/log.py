"""The logger of plugnas: a library that uses it hears nothing unless it asks to.

Sentences that a user should see go to ``logging.getLogger("plugnas")`` at the level INFO, and what
was left out or repaired at WARNING. The commands print them to standard error; in a program of
one's own ``logging.basicConfig(level=logging.INFO)`` does the same.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("plugnas")
logger.addHandler(logging.NullHandler())


__all__ = ["logger"]
