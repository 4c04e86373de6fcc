"""A ledger's lines: what a sound one is, and what lies in a file of them.

Every line ends with a checksum of what stands before it, so that a flipped bit is found. A ledger
that an earlier version wrote has none, and is read as well.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from plugnas.modules.errors import PlugnasError
from plugnas.nas.ledger.record import Record
from plugnas.nas.machine.collection import no_collection
from plugnas.nas.machine.reading import Moment, Number, Seed, decode, opened

LEDGER = "ledger.jsonl"
"""The file's name in a run directory."""

VERSION = 1
_MARK = b',"crc":"'
_SEAL = len(_MARK) + len(b'01234567"}')


class LedgerError(PlugnasError):
    """A ledger that cannot be read or written; the text names the file, the line and the remedy."""


class _Told(msgspec.Struct, frozen=True):
    """What a header tells of a parameter."""

    choices: list[str | int | float | bool | None]
    slot: str | None = None
    parent: str | None = None
    when: list[str | int | float | bool | None] = []
    families: list[str] | None = None


class _Recipe(msgspec.Struct, frozen=True):
    """What is read of a recipe before the recipe itself is."""

    epochs: Number = 1


class _Confirm(msgspec.Struct, frozen=True):
    """What a header tells of a confirmation."""

    recipe: _Recipe = _Recipe()
    test_images: Number = 0
    seeds: list[Seed] = []
    front: list[str] = []
    control: list[str] = []


class _Header(msgspec.Struct, frozen=True):
    """What is read out of a session's header; what else stands there is shown as it is."""

    ledger: Any
    space: str = ""
    parameters: dict[str, _Told] = {}
    left_out: dict[Number, str] = {}
    counted_with: str = ""
    objectives: dict[str, Literal["max", "min"]] = {}
    budget: dict[str, float] = {}
    trials: Number | None = None
    rungs: Annotated[int, msgspec.Meta(ge=1, lt=2**15)] = 1
    seed: Seed | None = None
    sampler: Any = None
    confirm: _Confirm = _Confirm()
    again: _Confirm = _Confirm()
    versions: dict[str, str | None] = {}
    host: str = ""
    pid: Number = 0
    time: Moment = 0.0


@dataclass(frozen=True)
class Contents:
    """A ledger as it lies on disk: plain data, no space needed.

    ``headers`` has one entry per session of the run (the first line, and one for each time the run
    was continued), as plain data. ``torn`` is the text of a half-written last line, or None;
    ``length`` is the number of bytes before it.
    """

    headers: tuple[dict[str, Any], ...] = ()
    records: tuple[Record, ...] = ()
    lines: tuple[int, ...] = field(default=(), repr=False)
    torn: str | None = None
    length: int = 0


def seal(record: Mapping[str, Any]) -> bytes:
    """Return a line of a ledger: the record as JSON, its checksum (CRC-32) last, a newline."""
    told = {name: value for name, value in record.items() if name != "crc"}
    text = json.dumps(told, separators=(",", ":"), allow_nan=False, default=_plain)
    body = text[:-1].encode()
    return body + _MARK + f'{zlib.crc32(body):08x}"}}\n'.encode()


@no_collection()
def read(path: str | Path) -> Contents:
    """Read a ledger, also one that is being written. Raises LedgerError naming a damaged line."""
    reading = Reading(path)
    rows = list(reading)
    return reading.contents(
        lines=tuple(line for line, _ in rows), records=tuple(record for _, record in rows)
    )


class Reading:
    """A ledger that is read line by line: gives each record with the number of its line.

    What else is in the file stands in ``contents`` once the last record was given. A ledger that
    is being written can be read too.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._headers: list[dict[str, Any]] = []
        self._torn: str | None = None
        self._length = 0

    def contents(self, records: tuple[Record, ...] = (), lines: tuple[int, ...] = ()) -> Contents:
        """Return what was read, with such records as were kept and the lines they stand in."""
        return Contents(tuple(self._headers), records, lines, self._torn, self._length)

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        """Yield line and record. Raises LedgerError naming a damaged line."""
        sealed, before = False, b""  # whether the line before had a checksum, and its text
        for number, (chunk, whole, more) in enumerate(_lines(self._path), start=1):
            try:
                entry, has = parse(chunk, sealed=sealed)
            except ValueError as error:
                # what was cut off while it was written is the last line, and has no newline
                if whole if isinstance(error, _ChecksumError) else more:
                    raise _damaged(self._path, number, chunk, error) from None
                self._torn = chunk.decode("utf-8", "replace")
                return
            self._length += len(chunk) + 1
            if has and not sealed and not isinstance(entry, dict):  # sessions begin with a header
                lost = _ChecksumError("it has no checksum, which the line after it has")
                raise _damaged(self._path, number - 1, before, lost)
            sealed, before = has, chunk
            if isinstance(entry, dict):
                _check_version(self._path, entry)
                self._headers.append(entry)
            elif self._headers:
                yield number, entry
            else:
                raise LedgerError(
                    f"A ledger must begin with its header, but {self._path} begins with a record. "
                    "Restore the first line from a copy, or choose another run directory."
                )


def _lines(path: Path) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield each line, whether it ends with a newline, and whether more follow."""
    try:
        with opened(path) as file:
            line = file.readline()
            while line:
                after = file.readline()
                if after and not line.endswith(b"\n"):  # it was being written
                    line += after
                    continue
                yield line.removesuffix(b"\n"), line.endswith(b"\n"), bool(after)
                line = after
    except OSError as error:
        raise LedgerError(f"A ledger must be readable, but {path}: {error.strerror}.") from error


class _ChecksumError(ValueError):
    """A line whose bytes are not those that were written."""


def parse(line: bytes, *, sealed: bool = False) -> tuple[Record | dict[str, Any], bool]:
    """Return a line's record or header, and whether it has a checksum.

    Raises:
        ValueError: the line is damaged; ``sealed`` says that one before it had a checksum, so that
            this one must have it too.
    """
    has = line[-_SEAL : len(_MARK) - _SEAL] == _MARK
    if has and b"%08x" % zlib.crc32(line[:-_SEAL]) != line[-10:-2]:
        raise _ChecksumError("its checksum is that of another text")
    try:
        entry: Record | dict[str, Any] = decode(line, Record)
        if not has and isinstance(entry, Record):
            entry.check()  # else the checksum says that it is what was written
    except ValueError as error:
        entry = _header(line, error)
    if sealed and not has:
        raise _ChecksumError("it has no checksum, which the lines before it have")
    return entry, has


def _header(line: bytes, no_record: ValueError) -> dict[str, Any]:
    entry = decode(line, dict[str, Any])
    if "ledger" not in entry:
        raise no_record
    decode(line, _Header)
    entry.pop("crc", None)
    return entry


def _damaged(path: Path, number: int, line: bytes, error: ValueError) -> LedgerError:
    return LedgerError(
        f"Every line of a ledger must be one JSON record as it was written, but line {number} of "
        f"{path} is damaged ({error}): {line[:60].decode('utf-8', 'replace')!r}. Restore the file "
        f"from a copy or delete that line: only its measurement is lost."
    )


def _check_version(path: Path, header: Mapping[str, Any]) -> None:
    if header["ledger"] != VERSION:
        raise LedgerError(
            f"This plugnas reads ledgers of version {VERSION}, but {path} has version "
            f"{header['ledger']!r:.40}. Install the plugnas that wrote it, or choose another "
            "directory."
        )


def _plain(value: Any) -> Any:
    """Return JSON data for what json does not know: numpy and torch numbers, else their text."""
    if getattr(value, "ndim", None) != 0:
        return str(value)
    number = value.item()
    return number if math.isfinite(number) else None


__all__ = ["VERSION", "Contents", "LedgerError", "Reading", "Record", "parse", "read", "seal"]
