"""The checksums of an export, in the format that ``sha256sum -c`` reads too."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from plugnas.nas.export.errors import ExportError

NAME = "SHA256SUMS"


def write(directory: Path) -> None:
    """Record the checksum of every file of a directory."""
    files = sorted(p for p in directory.iterdir() if p.is_file() and p.name != NAME)
    lines = [f"{_digest(path)}  {path.name}\n" for path in files]
    (directory / NAME).write_text("".join(lines), encoding="utf-8")


def verify(directory: Path, needed: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Compare every file with its checksum and return their names.

    Files in ``needed`` (None: all that are listed) must be there; others may have been deleted.

    Raises:
        ExportError: no export there, a file that is missing, changed, truncated or unreadable.
    """
    listed = _listed(directory)
    for name in needed or ():
        if name not in listed:
            raise ExportError(
                f"{directory} was exported without {name}; export it again with that format"
            )
    for name, digest in listed.items():
        path = directory / name
        if not path.exists():
            if needed is None or name in needed:
                raise ExportError(f"{path} is missing; copy the whole export directory again")
            continue
        try:
            found = _digest(path)
        except OSError as error:
            raise ExportError(f"{path} cannot be read ({error.strerror})") from None
        if found != digest:
            raise ExportError(
                f"{path} was changed or truncated since it was exported (SHA-256 {found[:12]}..., "
                f"but {digest[:12]}... was recorded); copy it again from where it was exported"
            )
    return tuple(listed)


def extras(directory: Path) -> tuple[str, ...]:
    """Return the names of what lies in an export and has no checksum."""
    listed = {*_listed(directory), NAME}
    return tuple(sorted(path.name for path in directory.iterdir() if path.name not in listed))


def _listed(directory: Path) -> dict[str, str]:
    path = directory / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        near = sorted(
            str(p.parent)
            for p in (*directory.glob(f"*/{NAME}"), *directory.glob(f"export/*/{NAME}"))
        )
        remedy = f"did you mean {near[0]}?" if near else "make one with `nas export RUN`"
        raise ExportError(
            f"{directory} is no export: it has no readable {NAME}; {remedy}"
        ) from None
    listed = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  ([\w.-]+)", line)
        if match is None:
            raise ExportError(f"{path} is damaged at {line[:80]!r}; copy the export again")
        listed[match[2]] = match[1]
    if not listed:
        raise ExportError(f"{path} is empty; copy the export again")
    return listed


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
