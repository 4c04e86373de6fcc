"""A ledger's lines: what a sound one is, and what lies in a file of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugnas.modules.errors import PlugnasError

VERSION = 1


class LedgerError(PlugnasError):
    """A ledger that cannot be read or written; the text names the file, the line and the remedy."""


@dataclass(frozen=True)
class Contents:
    """A ledger as it lies on disk: plain data, no space needed.

    ``headers`` has one entry per session of the run (the first line, and one for each time the run
    was continued); ``records`` are ``Measurement.to_dict`` data, each with the ``time`` (seconds
    since 1970) it was written. ``torn`` is the text of a half-written last line, or None;
    ``length`` is the number of bytes before it.
    """

    headers: tuple[dict[str, Any], ...] = ()
    records: tuple[dict[str, Any], ...] = ()
    lines: tuple[int, ...] = field(default=(), repr=False)
    torn: str | None = None
    length: int = 0


def read(path: str | Path) -> Contents:
    """Read a ledger, also one that is being written. Raises LedgerError naming a damaged line."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"A ledger must be readable, but {path}: {error.strerror}.") from error
    chunks = data.split(b"\n")
    last = len(chunks) if chunks[-1] else len(chunks) - 1
    headers: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    length = 0
    for number, chunk in enumerate(chunks[:last], start=1):
        entry = _parse(chunk)
        if entry is None and number == last:
            torn = chunk.decode("utf-8", "replace")
            return Contents(tuple(headers), tuple(records), tuple(lines), torn, length)
        if entry is None:
            raise LedgerError(
                f"Every line of a ledger must be one JSON record, but line {number} of {path} is "
                f"damaged: {chunk[:60].decode('utf-8', 'replace')!r}. Restore the file from a copy "
                f"or delete that line: only its measurement is lost."
            )
        length += len(chunk) + 1
        if "ledger" in entry:
            _check_version(path, entry)
            headers.append(entry)
        elif headers:
            records.append(entry)
            lines.append(number)
        else:
            raise LedgerError(
                f"A ledger must begin with its header, but {path} begins with a record. Restore "
                f"the first line from a copy, or choose another run directory."
            )
    return Contents(tuple(headers), tuple(records), tuple(lines), None, length)


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the line's record, or None where the line is damaged."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    if "ledger" in entry:
        return entry
    architecture = entry.get("architecture")
    sound = (
        isinstance(architecture, dict)
        and isinstance(architecture.get("values"), dict)
        and all(isinstance(entry.get(name), int) for name in ("number", "rung", "seed"))
        and entry.get("status") in ("ok", "failed")
    )
    return entry if sound else None


def _check_version(path: Path, header: Mapping[str, Any]) -> None:
    if header["ledger"] != VERSION:
        raise LedgerError(
            f"This plugnas reads ledgers of version {VERSION}, but {path} has version "
            f"{header['ledger']}. Install the plugnas that wrote it, or choose another directory."
        )


__all__ = ["VERSION", "Contents", "LedgerError", "read"]
