"""Images named in a CSV file, one row each, with their class and perhaps part and group."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from plugnas.modules import did_you_mean
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.folder import path_opener
from plugnas.nas.data.layout import PART_NAMES
from plugnas.nas.data.several import check_columns, combined, mark_of
from plugnas.nas.data.source import PARTS, Listing, Opener

_COLUMNS = ("file", "label", "split", "group")
_SHOWN = 3


class CsvSource:
    """A CSV file with a header: ``file,label[,split][,group]``, one row for each image.

    Files are relative to the CSV's folder. ``columns`` says which of its columns stand for these
    names where it has others, such as ``{"file": "image_id"}``; columns that are none of them are
    left alone. Labels are text; whole numbers are sorted as numbers. ``labels`` among them is a
    list of columns that hold 0 or 1 where an image may have several labels.
    """

    mirror = False  # nothing says that a mirrored image keeps its class

    def __init__(self, path: Path, columns: dict[str, Any] | None = None) -> None:
        self.path = path
        self.name = path.stem
        given = dict(columns or {})
        self.several: Any = given.pop("labels", None)
        self.columns = {name: name for name in _COLUMNS} | given
        self.named = set(given)  # must be there
        for name in self.named:
            if name not in _COLUMNS:
                raise DataError(
                    f"data.options of a CSV file names its columns ({', '.join(_COLUMNS)}; or "
                    f"`labels`, a list of columns of 0 and 1), not "
                    f"`{name}`{did_you_mean(name, _COLUMNS)}"
                )

    def identity(self) -> str:
        digest = hashlib.sha256(self.path.read_bytes())
        digest.update(repr([sorted(self.columns.items()), self.several]).encode())
        digest.update(str(self.path.resolve()).encode())
        for name in self.listing().names:
            state = os.stat(self.path.parent / name)
            line = f"{name}|{state.st_size}|{state.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()

    def listing(self) -> Listing:
        rows, has = self._rows()
        names = [row["file"] for row in rows]
        self._check_files(names)
        parts = [self._part(row["split"], row["line"]) if has["split"] else 0 for row in rows]
        groups = [row["group"] for row in rows] if has["group"] else ()
        if self.several is not None:
            kinds, places = combined([self._marks(row) for row in rows])
            return Listing(names, places, parts, tuple(self.several), groups=groups, marks=kinds)
        words = _whole([row["label"] for row in rows], self.path)
        classes = sorted(set(words), key=lambda w: (0, int(w), "") if _is_int(w) else (1, 0, w))
        index = {word: i for i, word in enumerate(classes)}
        return Listing(
            names=names,
            labels=[index[word] for word in words],
            parts=parts,
            classes=tuple(classes),
            groups=groups,
        )

    def _marks(self, row: dict[str, str]) -> tuple[int, ...]:
        where = f"{self.path}, line {row['line']}"
        return tuple(mark_of(row[f"labels.{c}"], c, where) for c in self.several)

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        names = self.listing().names
        for index in wanted:
            yield index, path_opener(self.path.parent / names[index])

    def _rows(self) -> tuple[list[dict[str, str]], dict[str, bool]]:
        """Return the rows under our names, with their line, and which columns there are."""
        try:
            with open(self.path, newline="", encoding="utf-8-sig") as file:
                first = file.readline()
                file.seek(0)
                mark = max(",;\t", key=first.count)  # the one that the header has most of
                reader = csv.DictReader(file, delimiter=mark, skipinitialspace=True)
                header = [name.strip() for name in reader.fieldnames or []]
                reader.fieldnames = header
                has = self._has(header)
                rows = [self._row(row, reader.line_num, has) for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{self.path} cannot be read as CSV: {error}; save it as UTF-8"
            ) from None
        if not rows:
            raise DataError(f"{self.path} has a header and no row; one row names one image")
        return rows, has

    def _has(self, header: list[str]) -> dict[str, bool]:
        has = {name: column in header for name, column in self.columns.items()}
        if self.several is not None:
            check_columns(self.several, header, str(self.path))
            has["label"] = False
        for name in {"file", *([] if self.several is not None else ["label"]), *self.named}:
            if not has[name]:
                raise DataError(
                    f"{self.path} has no column `{self.columns[name]}`"
                    f"{did_you_mean(self.columns[name], header)} (it has: "
                    f"{', '.join(header) or 'nothing'}); its header is file,label[,split][,group], "
                    f"or say which column it is: `options: {{{name}: ...}}`"
                )
        return has

    def _row(self, row: dict[str, str], line: int, has: dict[str, bool]) -> dict[str, str]:
        found = {"line": str(line)}
        for name in _COLUMNS:
            if has[name]:
                found[name] = (row[self.columns[name]] or "").strip()
                if not found[name]:
                    raise DataError(f"{self.path}, line {line}: the column `{name}` is empty")
        for column in self.several or ():
            found[f"labels.{column}"] = row[column] or ""
        return found

    def _check_files(self, names: list[str]) -> None:
        missing = [name for name in names if not (self.path.parent / name).is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} of the {len(names)} files of {self.path} are not there: "
                f"{', '.join(missing[:_SHOWN])}{', ...' if len(missing) > _SHOWN else ''}; files "
                "are relative to the CSV's folder"
            )
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise DataError(f"{self.path} lists {twice} twice; one row stands for one image")

    def _part(self, word: str, line: str) -> int:
        if word.lower() not in PART_NAMES:
            known = ", ".join(PARTS)
            raise DataError(
                f"{self.path}, line {line}: the split `{word}` is none of {known}"
                f"{did_you_mean(word, PART_NAMES)}"
            )
        return PARTS.index(PART_NAMES[word.lower()])


def _whole(words: list[str], path: Path) -> list[str]:
    """Return labels such as 2.0 as 2; refuse other fractions, which are no classes."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return words
    if any(not number.is_integer() for number in numbers):
        odd = next(w for w, n in zip(words, numbers, strict=True) if not n.is_integer())
        raise DataError(
            f"the labels of {path} are numbers such as {odd}, and a classification needs classes; "
            "for numbers write a task of your own (`task: file.py:Class`) or `evaluate`"
        )
    return [str(int(number)) for number in numbers]


def _is_int(word: str) -> bool:
    return word.lstrip("-").isdecimal()
