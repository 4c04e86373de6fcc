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
from plugnas.nas.machine.reading import Moment, Number, Seed, decode, read_bytes

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
    path = Path(path)
    try:
        data = read_bytes(path)
    except OSError as error:
        raise LedgerError(f"A ledger must be readable, but {path}: {error.strerror}.") from error
    headers: list[dict[str, Any]] = []
    records: list[Record] = []
    lines: list[int] = []
    length, sealed = 0, False  # whether the line before had a checksum
    before = b""
    for number, (chunk, whole, more) in enumerate(_lines(data), start=1):
        try:
            entry, has = parse(chunk, sealed=sealed)
        except _ChecksumError as error:
            if whole:  # a cut line has no newline
                raise _damaged(path, number, chunk, error) from None
            entry = None
        except ValueError as error:
            if more:
                raise _damaged(path, number, chunk, error) from None
            entry = None
        if entry is None:
            torn = chunk.decode("utf-8", "replace")
            return Contents(tuple(headers), tuple(records), tuple(lines), torn, length)
        length += len(chunk) + 1
        if has and not sealed and not isinstance(entry, dict):  # sessions begin with a header
            lost = _ChecksumError("it has no checksum, which the line after it has")
            raise _damaged(path, number - 1, before, lost)
        sealed, before = has, chunk
        if isinstance(entry, dict):
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


def _lines(data: bytes) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield each line, whether it ends with a newline, and whether more follow."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        whole = end >= 0
        chunk = data[start:end] if whole else data[start:]
        start = end + 1 if whole else len(data)
        yield chunk, whole, start < len(data)


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


__all__ = ["VERSION", "Contents", "LedgerError", "Record", "parse", "read", "seal"]
