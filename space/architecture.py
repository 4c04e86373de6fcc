"""One member of a space."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from plugnas.space.parameter import Token
from plugnas.space.training import Value, settings_of

if TYPE_CHECKING:
    from plugnas.space.search_space import SearchSpace


_IS_ID = re.compile("[0-9a-f]{12}").fullmatch


class Architecture:
    """An immutable member of a space: its active parameters, a canonical JSON and a short id.

    Equal networks have equal ids: only what is active is kept, in the space's order. Made by a
    ``SearchSpace``; pickles as its values alone.
    """

    __slots__ = ("_id", "_row", "_space", "_values")

    def __init__(self, values: Mapping[str, Token]) -> None:
        self._values: dict[str, Token] | None = dict(values)
        self._id: str | None = None
        self._space: SearchSpace | None = None
        self._row: bytes | None = None

    @classmethod
    def _from_row(cls, space: SearchSpace, row: bytes, own_id: str = "") -> Architecture:
        """Wrap one row of a code matrix; values, and an id that is none, are worked out when asked.

        Args:
            space: what it is a member of.
            row: its codes.
            own_id: the id that was written down with it.
        """
        self = cls.__new__(cls)
        self._values, self._space, self._row = None, space, row
        self._id = own_id if _IS_ID(own_id) else None
        return self

    @property
    def values(self) -> dict[str, Token]:
        """Active parameters and their values, in the space's order (a copy)."""
        return dict(self._active())

    def _active(self) -> dict[str, Token]:
        if self._values is None:
            row, space = self._row, self._space
            if row is None or space is None:
                raise RuntimeError("an architecture has either values or a row")
            codes = np.frombuffer(row, dtype=np.int16)
            self._values = {
                space.parameters[j].name: space.parameters[j].choices[codes[j]]
                for j in np.flatnonzero(codes >= 0)
            }
        return self._values

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits, a hash of the canonical JSON."""
        if self._id is None:
            self._id = hashlib.sha256(self.json().encode()).hexdigest()[:12]
        return self._id

    @property
    def recipe(self) -> dict[str, Value]:
        """The training settings that were chosen with it, by name (see ``space.training``).

        The size of the images is no such setting: ``input`` says it.
        """
        return settings_of(self._active())

    def json(self) -> str:
        """Canonical JSON: keys sorted, no spaces."""
        return json.dumps(self._active(), sort_keys=True, separators=(",", ":"))

    def __getitem__(self, name: str) -> Token:
        return self._active()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a parameter, or ``default`` where it is not active."""
        return self._active().get(name, default)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[type[Architecture], tuple[dict[str, Token]]]:
        return (Architecture, (self.values,))

    def __repr__(self) -> str:
        return f"Architecture({self.id}, {self._active()})"
