"""Architectures as numbers for a model: one-hot choices and what the whole network holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.space.codes import Codes
from plugnas.space.parameter import Parameter


class Encoder:
    """Features of code rows: one-hot per choice, rank of numbers, counts of modules and families.

    The counts (how many blocks use ``se``, how many an attention of family ``channel``) let a model
    share what it learns of a module among the slots in which it stands.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._columns = [j for j, p in enumerate(parameters) if len(p.choices) > 1]
        self._parameters = tuple(parameters)
        names: list[str] = []
        pools: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for j in self._columns:
            p = parameters[j]
            names += [f"{p.name}={choice}" for choice in p.choices]
            for code, choice in enumerate(p.choices):
                if p.families is not None:
                    pools[f"count {p.slot}={choice}"].append((j, code))
                    pools[f"count {p.slot} family {p.families[code]}"].append((j, code))
        self._ranked = [j for j in self._columns if parameters[j].ordinal]
        names += [f"rank {parameters[j].name}" for j in self._ranked]
        # A pool with one member repeats a one-hot column.
        self._pools = {name: members for name, members in pools.items() if len(members) > 1}
        self.names = (*names, *self._pools)

    def encode(self, codes: Codes) -> NDArray[np.float32]:
        """Return float32 (n, F)."""
        columns = []
        for j in self._columns:
            choices = np.arange(len(self._parameters[j].choices))
            columns.append((codes[:, j, None] == choices).astype(np.float32))
        hot = {j: block for j, block in zip(self._columns, columns, strict=True)}
        for j in self._ranked:
            top = len(self._parameters[j].choices) - 1
            columns.append((np.maximum(codes[:, j, None], 0) / top).astype(np.float32))
        for members in self._pools.values():
            total = sum(hot[j][:, code] for j, code in members)
            columns.append(np.asarray(total, dtype=np.float32)[:, None])
        if not columns:
            return np.zeros((len(codes), 0), dtype=np.float32)
        return np.concatenate(columns, axis=1)
