"""Values of parameters, as jobs and ledgers name them, turned into rows of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import did_you_mean
from plugnas.space.codes import Codes, CodeTree
from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter, Token


class Values:
    """Finds the canonical row of codes of named values; one object for each space."""

    def __init__(self, parameters: Sequence[Parameter], tree: CodeTree) -> None:
        self._parameters, self._tree = parameters, tree
        self._codes = [{c: i for i, c in enumerate(p.choices)} for p in parameters]
        self._names = {p.name: j for j, p in enumerate(parameters)}

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

    def rows(self, values: Sequence[dict[str, Token]]) -> tuple[Codes, NDArray[np.bool_]]:
        """Return rows (n, P), and which are those of a member with exactly these values.

        Each mapping is changed in place: a value becomes the choice that equals it, so that a
        hundred thousand of them take little memory.
        """
        rows = np.full((len(values), len(self._parameters)), -1, dtype=np.int16)
        known = np.ones(len(values), dtype=bool)
        for i, named in enumerate(values):
            row = [-1] * len(self._parameters)
            last, ordered = -1, True
            try:
                for name, value in named.items():
                    j = self._names[name]
                    code = row[j] = self._codes[j][value]
                    named[name] = self._parameters[j].choices[code]
                    ordered = ordered and j > last
                    last = j
                rows[i], known[i] = row, ordered
            except (KeyError, TypeError):  # no such parameter or choice; a value that is none
                known[i] = False
        full = self._tree.awake(np.maximum(rows, 0))
        known &= ((full >= 0) == (rows >= 0)).all(axis=1)
        known &= (self._tree.canonical(rows) == rows).all(axis=1)
        known &= self._tree.allowed(rows)
        return rows, known
