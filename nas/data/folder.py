"""Images in a folder, or in an archive that is read as one without unpacking it."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import PIL.Image

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.identity import identity_of_file, identity_of_files
from plugnas.nas.data.layout import is_image, read_layout
from plugnas.nas.data.memory import gigabytes
from plugnas.nas.data.source import Listing, Opener
from plugnas.nas.machine.work import counted

ARCHIVES = (".tar", ".tar.xz", ".txz", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".zip")
LARGEST = 2**28
"""Bytes that the file of one image takes at most in an archive, unpacked."""

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted zip
)


class FolderSource:
    """A folder with one folder of images per class."""

    mirror = False  # nothing says that a mirrored image keeps its class

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._listing: Listing | None = None

    def identity(self) -> str:
        return identity_of_files(self.path, self._found[0])

    def listing(self) -> Listing:
        if self._listing is None:
            names, folders = self._found
            full = {name.rpartition("/")[0] for name in names}
            empty = (
                [f for f in folders if not any(p == f or p.startswith(f + "/") for p in full)]
                if len(folders) > len(full)
                else []
            )
            self._listing = _once(read_layout(names, empty, str(self.path)), self.path)
        return self._listing

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        names = self.listing().names
        for index in wanted:
            yield index, path_opener(f"{self.path}/{names[index]}")

    @cached_property
    def _found(self) -> tuple[list[str], list[str]]:
        """The images and the folders below the path, walked through once."""
        names: list[str] = []
        folders: list[str] = []
        for base, below, files in walk(self.path):
            prefix = _prefix(base, self.path)
            names += [name for file in files if is_image(name := prefix + file)]
            folders += [prefix + f for f in below if not f.startswith((".", "__"))]
        return sorted(names), folders


def _prefix(base: str, top: Path) -> str:
    """Return what stands before the names of a folder's files, from ``top``."""
    inner = os.path.relpath(base, top).replace(os.sep, "/")
    return "" if inner == "." else inner + "/"


def files_below(top: Path) -> list[str]:
    """Return all files below a folder, named from it with ``/``, in order."""
    found = []
    for base, _, files in walk(top):
        prefix = _prefix(base, top)
        found += [prefix + file for file in files]
    return sorted(found)


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield as ``os.walk`` does, through links but not round in circles; refuse what is locked."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}; change its rights")

    for base, folders, files in os.walk(top, followlinks=True, onerror=refuse):
        linked = [f for f in folders if os.path.islink(os.path.join(base, f))]
        above = [os.path.realpath(p) + os.sep for p in _down_to(top, base)] if linked else []
        for folder in linked:
            target = os.path.realpath(os.path.join(base, folder)) + os.sep
            if any(place.startswith(target) for place in above):
                folders.remove(folder)
        yield base, folders, files


def _down_to(top: Path, base: str) -> list[Path]:
    """Return the folders from ``top`` down to ``base``, as they were walked through links."""
    steps = Path(base).relative_to(top).parts
    return [top.joinpath(*steps[:i]) for i in range(len(steps) + 1)]


def _once(listing: Listing, top: Path) -> Listing:
    """Return a listing in which a file that links lead to again is named once, by its own path."""
    own: dict[str, int] = {}
    start, folders = os.path.realpath(top), dict[str, str]()
    for index, name in enumerate(listing.names):
        base, _, file = name.rpartition("/")
        if base not in folders:
            folders[base] = os.path.realpath(os.path.join(start, base))
        real = os.path.join(folders[base], file)
        real = os.path.realpath(real) if os.path.islink(real) else real
        if real not in own or real == os.path.join(start, name):
            own[real] = index
    if len(own) == len(listing.names):
        return listing
    kept = sorted(own.values())
    again = len(listing.names) - len(kept)
    note = f"links lead to {again} images a second time; each is read once, under its own folder"
    return Listing(
        names=[listing.names[i] for i in kept],
        labels=[listing.labels[i] for i in kept],
        parts=[listing.parts[i] for i in kept],
        classes=listing.classes,
        notes=(*listing.notes, note),
    )


class ArchiveSource:
    """A tar or zip archive of such a folder."""

    mirror = False  # nothing says that a mirrored image keeps its class

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.split(".")[0]
        self._members: Listing | None = None

    def identity(self) -> str:
        return identity_of_file(self.path)

    def listing(self) -> Listing:
        if self._members is None:
            found = counted(self._walk(lambda name: False), f"listing {self.name}")
            names = [name for name, _ in found]
            self._members = read_layout(names, [], str(self.path))
        return self._members

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        names = self.listing().names
        index = {names[i]: i for i in wanted}
        for name, data in self._walk(index.__contains__):
            if data is not None:
                yield index[name], Packed(data)

    def _walk(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | None]]:
        """Yield (name, bytes where wanted) of each image member, in the archive's order."""
        members = zip_members if self.path.name.lower().endswith(".zip") else tar_members
        try:
            for name, read in members(self.path):
                clean = name.removeprefix("./")
                if is_image(clean):
                    yield clean, read() if wanted(clean) else None
        except BROKEN as error:
            raise DataError(
                f"{self.path} cannot be read as an archive: {error}; it may be an incomplete "
                "download"
            ) from error


def _inside(name: str, archive: Path) -> str:
    """Return a member's name; refuse one that leads out of the archive."""
    if name.startswith(("/", "\\")) or ".." in name.split("/") or name[1:3] in (":/", ":\\"):
        raise DataError(
            f"{archive} holds `{name}`, and an archive of images has paths below its own folder "
            "alone; pack it anew from inside that folder"
        )
    return name


def _too_large(name: str, size: int) -> DataError:
    return DataError(
        f"`{name}` in the archive takes {gigabytes(size)} unpacked, and a file of an image at most "
        f"{gigabytes(LARGEST)}; leave it out, or unpack the archive into a folder"
    )


def tar_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(path, "r|*") as archive:  # a stream: one pass, nothing is unpacked to disk
        for member in archive:
            if member.isfile():
                yield _inside(member.name, path), lambda m=member: _tar_read(archive, m)  # type: ignore[misc]
        # tarfile takes a file cut within a header for a whole one; that ends in two blocks of 0.
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("its end is missing")


def _tar_read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > LARGEST:
        raise _too_large(member.name, member.size)
    handle = archive.extractfile(member)
    return b"" if handle is None else handle.read()


def zip_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield _inside(member.filename, path), lambda m=member: _zip_read(archive, m)  # type: ignore[misc]


def _zip_read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > LARGEST:
        raise _too_large(member.filename, member.file_size)
    return archive.read(member)


def path_opener(path: str | Path) -> Opener:
    """Return what opens the image of a file."""
    return lambda: PIL.Image.open(path)


@dataclass(frozen=True)
class Packed:
    """Opens the image of a file that is in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """The bytes that it keeps in memory until it is opened."""
        return len(self.data)

    def __call__(self) -> PIL.Image.Image:
        return PIL.Image.open(io.BytesIO(self.data))
