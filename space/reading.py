"""Architectures out of JSON: a hundred thousand objects of parameter values become code matrices.

A structure with one field for each parameter is made of the space, so that names and choices are
checked where the JSON is decoded, and no mapping is made of any architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from plugnas.space.codes import Codes
from plugnas.space.parameter import Parameter, Token

Text = bytes | msgspec.Raw
"""A JSON object: name of a parameter -> its value."""


class Reader:
    """Decodes architectures of the space that has these parameters."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        fields = {f"parameter{j}": p for j, p in enumerate(parameters)}
        kind = msgspec.defstruct(
            "Values",
            [
                (field, _literal(p.choices) | msgspec.UnsetType, msgspec.UNSET)
                for field, p in fields.items()
            ],
            rename={field: p.name for field, p in fields.items()},
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(kind).decode
        self._nothing = (msgspec.UNSET,) * len(parameters)
        self._codes: list[dict[Any, int]] = [
            {msgspec.UNSET: -1, **{choice: code for code, choice in enumerate(p.choices)}}
            for p in parameters
        ]

    def codes(self, texts: Sequence[Text]) -> tuple[Codes, NDArray[np.bool_]]:
        """Return the codes (n, P) of objects, -1 where a parameter has no value, and which are any.

        What names another parameter or another choice, or is no object, is none.
        """
        rows: list[tuple[Any, ...]] = []
        known = np.ones(len(texts), dtype=bool)
        for i, text in enumerate(texts):
            try:
                rows.append(msgspec.structs.astuple(self._decode(text)))
            except (ValueError, RecursionError):
                rows.append(self._nothing)
                known[i] = False
        codes = np.empty((len(texts), len(self._codes)), dtype=np.int16)
        for j, column in enumerate(zip(*rows, strict=True)):
            codes[:, j] = np.fromiter(map(self._codes[j].__getitem__, column), np.int16, len(rows))
        return codes, known


def _literal(choices: Sequence[Token]) -> Any:
    return Literal[tuple(choices)]


__all__ = ["Reader", "Text"]
