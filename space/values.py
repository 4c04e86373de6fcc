"""Values of parameters, as jobs and ledgers name them, turned into rows of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import did_you_mean
from plugnas.space.codes import Codes, CodeTree
from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter, Token
from plugnas.space.reading import Reader, Text


class Values:
    """Finds the canonical row of codes of named values; one object for each space."""

    def __init__(self, parameters: Sequence[Parameter], tree: CodeTree) -> None:
        self._parameters, self._tree = parameters, tree
        self._codes = [{c: i for i, c in enumerate(p.choices)} for p in parameters]
        self._names = {p.name: j for j, p in enumerate(parameters)}
        self._reader: Reader | None = None

    def row(self, values: Mapping[str, Token]) -> Codes:
        """Return the row (1, P) of the member with these values; inactive ones are dropped.

        Raises:
            SpaceError: an unknown parameter, a value outside its choices, an active one missing.
        """
        for name in values:
            if name not in self._names:
                raise SpaceError(
                    f"the space has no parameter `{name}`{did_you_mean(name, self._names)}"
                )
        row = np.full(len(self._parameters), -1, dtype=np.int16)
        for name, value in values.items():
            j = self._names[name]
            if value not in self._codes[j]:
                allowed = ", ".join(map(str, self._parameters[j].choices))
                raise SpaceError(f"`{name}` must be one of {allowed}, but got {value!r}")
            row[j] = self._codes[j][value]
        full = self._tree.awake(np.where(row < 0, 0, row)[None].astype(np.int16))[0]
        missing = np.flatnonzero((full >= 0) & (row < 0))
        if len(missing):
            raise SpaceError(f"the value of `{self._parameters[missing[0]].name}` is missing")
        own = np.where(full < 0, -1, row)[None].astype(np.int16)
        return self._tree.canonical(own)

    def rows(self, texts: Sequence[Text]) -> tuple[Codes, NDArray[np.bool_]]:
        """Return rows (n, P) of JSON objects, and which are those of a member with these values."""
        if self._reader is None:
            self._reader = Reader(self._parameters)
        rows, known = self._reader.codes(texts)
        full = self._tree.awake(np.maximum(rows, 0))
        known &= ((full >= 0) == (rows >= 0)).all(axis=1)
        known &= (self._tree.canonical(rows) == rows).all(axis=1)
        known &= self._tree.allowed(rows)
        return rows, known
