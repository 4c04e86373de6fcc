"""The files of a folder or of an archive, by relative names: listed, read and opened alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.folder import (
    ARCHIVES,
    BROKEN,
    Packed,
    files_below,
    path_opener,
    tar_members,
    zip_members,
)
from plugnas.nas.data.identity import identity_of_file, identity_of_files
from plugnas.nas.data.layout import is_image
from plugnas.nas.data.source import Opener
from plugnas.nas.machine.work import counted

_MOST = 2**20
"""Bytes of a text file above which it is no list of names."""


class Store(Protocol):
    """Where images, masks and the texts beside them lie."""

    path: Path
    name: str

    def identity(self) -> str:
        """Return text that changes when the files do; reads no pixels."""

    def images(self) -> list[str]:
        """Return the names of all image files, sorted; relative, with ``/``."""

    def texts(self) -> Mapping[str, str]:
        """Return the small ``.txt`` files by name."""

    def openers(self, wanted: Collection[str]) -> Iterator[tuple[str, Opener]]:
        """Yield (name, function that opens that image) for ``wanted``, in any order."""


class FolderStore:
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name

    def identity(self) -> str:
        return identity_of_files(self.path, self._files())

    def images(self) -> list[str]:
        return [name for name in self._files() if is_image(name)]

    def texts(self) -> Mapping[str, str]:
        found = [name for name in self._files() if _is_text(name)]
        return {
            name: _decoded((self.path / name).read_bytes())
            for name in found
            if (self.path / name).stat().st_size <= _MOST
        }

    def openers(self, wanted: Collection[str]) -> Iterator[tuple[str, Opener]]:
        for name in wanted:
            yield name, path_opener(self.path / name)

    def _files(self) -> list[str]:
        return [name for name in files_below(self.path) if is_image(name) or _is_text(name)]


class ArchiveStore:
    """The files in a tar or zip archive, which is read as a stream and never unpacked."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name.split(".")[0]
        self._listed: tuple[list[str], dict[str, str]] | None = None

    def identity(self) -> str:
        return identity_of_file(self.path)

    def images(self) -> list[str]:
        return self._list()[0]

    def texts(self) -> Mapping[str, str]:
        return self._list()[1]

    def openers(self, wanted: Collection[str]) -> Iterator[tuple[str, Opener]]:
        names = set(wanted)
        for name, read in self._members():
            if name in names:
                yield name, Packed(read())

    def _list(self) -> tuple[list[str], dict[str, str]]:
        if self._listed is None:
            images, texts = [], {}
            for name, read in counted(self._members(), f"listing {self.name}"):
                if is_image(name):
                    images.append(name)
                elif _is_text(name) and len(data := read()) <= _MOST:
                    texts[name] = _decoded(data)
            self._listed = sorted(images), texts
        return self._listed

    def _members(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        members = zip_members if self.path.name.lower().endswith(".zip") else tar_members
        try:
            for name, read in members(self.path):
                yield name.removeprefix("./"), read
        except BROKEN as error:
            raise DataError(
                f"{self.path} cannot be read as an archive: {error}; it may be an incomplete "
                "download"
            ) from error


def open_store(path: Path) -> Store:
    """Return the files of a folder, or of an archive.

    Raises:
        DataError: the path is neither.
    """
    if path.is_dir():
        return FolderStore(path)
    if path.name.lower().endswith(ARCHIVES):
        return ArchiveStore(path)
    raise DataError(
        f"{path} is no source of images with masks: that is a folder, an archive "
        f"({', '.join(ARCHIVES)}) or an .npz file"
    )


def _is_text(name: str) -> bool:
    hidden = any(part.startswith((".", "__")) for part in name.split("/"))
    return not hidden and name.lower().endswith(".txt")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


__all__ = ["Store", "open_store"]
