"""The matrix of modules and runtimes: kept in runtimes.json, shown in docs/zoo.md."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from plugnas.modules import Entry
from plugnas.nas.export.matrix import RUNTIMES, YES, libraries_here, runtimes_here
from plugnas.nas.export.matrix_process import SECONDS, Trial
from plugnas.nas.machine.reading import read_json

FILE = Path(__file__).with_name("runtimes.json")
COMMAND = "nas modules --runtimes -o nas/report/runtimes.json"


class Matrix(msgspec.Struct, frozen=True):
    """What each runtime said to each module, and of which versions the libraries were."""

    made_with: dict[str, str]
    modules: dict[str, dict[str, str]]


def made(
    entries: Sequence[Entry],
    on_module: Callable[[str], None] | None = None,
    part: Path | None = None,
    trial: Trial | None = None,
) -> Matrix:
    """Try every module in every runtime that is installed; takes seconds for each.

    Args:
        entries: the modules.
        on_module: hears of each module that is tried.
        part: keeps what was found so far, a line for each module; what an interrupted call left
            there with the same libraries is not tried anew.
        trial: the process that tries them.
    """
    here, libraries = runtimes_here(), libraries_here()
    known = {} if part is None else _begun(part, libraries)
    with trial or Trial() as process:
        for entry in entries:
            if entry.key in known:
                continue
            if on_module is not None:
                on_module(entry.key)
            known[entry.key] = process.answers(entry.key, here)
            if part is not None:
                with part.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([libraries, entry.key, known[entry.key]]) + "\n")
    return Matrix(libraries, {entry.key: known[entry.key] for entry in entries})


def _begun(part: Path, libraries: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return what an interrupted call found with these libraries; a torn last line is dropped."""
    found = {}
    for line in part.read_text(encoding="utf-8").splitlines() if part.exists() else []:
        with contextlib.suppress(ValueError):
            with_, key, row = json.loads(line)
            if with_ == libraries:
                found[key] = row
    return found


def kept() -> Matrix:
    """Return the matrix that comes with the program."""
    return read_json(FILE, Matrix)


def to_json(matrix: Matrix) -> str:
    """Write a matrix as JSON, a line for each module."""
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in
                      sorted(matrix.modules.items()))  # fmt: skip
    head = json.dumps(matrix.made_with)
    return f'{{\n "made_with": {head},\n "modules": {{\n{rows}\n }}\n}}\n'


def text(matrix: Matrix) -> str:
    """Write a matrix as a table for a terminal."""
    from plugnas.nas.machine.table import text_table

    names = _tried(matrix)
    cells = [
        [key, *(row.get(n, "not tried") for n in names)] for key, row in matrix.modules.items()
    ]
    return "\n".join(text_table(["module", *names], cells, align="l" * (len(names) + 1)))


def markdown(matrix: Matrix) -> list[str]:
    """Write a matrix as the section of docs/zoo.md."""
    names = _tried(matrix)
    counts = ", ".join(
        f"{name} {sum(row.get(name) == YES for row in matrix.modules.values())}" for name in names
    )
    libraries = ", ".join(f"{n} {v}" for n, v in matrix.made_with.items())
    lines = [
        "", "## Runtimes", "",
        "Which runtime takes which module: each in its default setting and deploy form, exported "
        "alone with a batch of any size (executorch: image by image), run, and compared with eager "
        "torch: within 1e-4 of the largest output; int8 (static, in onnxruntime) within 10 % of it "
        f"on average. What takes over {SECONDS:g} s is ended. Anything but yes is the reason "
        "why not.", "",
        f"Of {len(matrix.modules)} modules, taken: {counts}. Made by `{COMMAND}` with {libraries}.",
        "", f"| module | {' | '.join(names)} |", "|:--" * (len(names) + 1) + "|",
    ]  # fmt: skip
    for key, row in sorted(matrix.modules.items()):
        cells = [row.get(name, "not tried").replace("|", "\\|") for name in names]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return lines


def _tried(matrix: Matrix) -> list[str]:
    """The runtimes that a matrix knows, in their order."""
    known: set[Any] = {name for row in matrix.modules.values() for name in row}
    return [name for name in RUNTIMES if name in known]


__all__ = ["FILE", "Matrix", "kept", "made", "markdown", "text", "to_json"]
