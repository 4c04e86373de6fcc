"""Writes the pages that are made from the code: the job file and the zoo. `make docs` runs it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from plugnas.nas.cli import main

PAGES = {"job.md": ["schema", "--markdown"], "zoo.md": ["modules", "--markdown"]}


def write() -> None:
    """Write each page beside this file."""
    for name, argv in PAGES.items():
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            main(argv)
        (Path(__file__).parent / name).write_text(text.getvalue())


if __name__ == "__main__":
    write()
