"""A skeleton for images of several sizes: one blueprint for each, and a choice among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from plugnas.space.blueprint import Blueprint
from plugnas.space.codes import Rule
from plugnas.space.config import SpaceConfig
from plugnas.space.counting import count
from plugnas.space.merging import Merge
from plugnas.space.network import Part
from plugnas.space.parameter import Token
from plugnas.space.piece import Shape
from plugnas.space.sizes import Head
from plugnas.space.training import INPUT

Values = Mapping[str, Token]


class SizedBlueprint:
    """The compiled space of a skeleton whose images may have several sizes.

    What a module refuses, and which settings are one network, may depend on the size; so each size
    is compiled by itself, and its rules and merges hold where ``input`` is that size.

    Args:
        config: the section.
        shapes: (C, H, W) of the images, each a choice.
        classes: outputs of the network.
        head: what the network ends in.
    """

    def __init__(
        self, config: SpaceConfig, shapes: Sequence[Shape], classes: int, head: Head
    ) -> None:
        self._each = [Blueprint(config, shape, classes, head) for shape in shapes]
        first = self._each[0]
        sizes = tuple("x".join(map(str, shape)) for shape in shapes)
        self.parameters = tuple(
            replace(p, choices=sizes) if p.name == INPUT else p for p in first.parameters
        )
        self._column = [p.name for p in self.parameters].index(INPUT)
        self.positions = first.positions
        one = len(shapes) == 1
        self.rules = first.rules if one else tuple(self._rules())
        self.merges = first.merges if one else tuple(self._merges())

    def count(self) -> int:
        """Return the exact number of architectures."""
        return sum(count(blueprint) for blueprint in self._each)

    def _rules(self) -> Iterator[Rule]:
        for code, blueprint in enumerate(self._each):
            for rule in blueprint.rules:
                refused = np.zeros((len(self._each) + 1, *rule.refused.shape), dtype=bool)
                refused[code + 1] = rule.refused
                size = self.parameters[self._column].choices[code]
                yield Rule((self._column, *rule.columns), refused, _Reason(rule, size))

    def _merges(self) -> Iterator[Merge]:
        for code, blueprint in enumerate(self._each):
            for merge in blueprint.merges:
                shape = merge.table.shape[:-1]
                settings = merge.table.shape[-1]
                as_it_is = np.stack(list(np.indices(shape)[-settings:] - 1), axis=-1)
                tables = [as_it_is.astype(np.int16)] * (len(self._each) + 1)
                tables[code + 1] = merge.table
                yield Merge((self._column, *merge.columns), np.stack(tables))

    # --- networks: their values say all, the size among them ------------------------------------

    def parts(self, values: Values) -> tuple[Part, ...]:
        """Return the parts of an architecture's network, in order."""
        return self._each[0].parts(values)

    def part_at(self, position: str, values: Values) -> Part | None:
        """Return the part at a position, or None where it is absent."""
        return self._each[0].part_at(position, values)

    def build(self, values: Values) -> nn.Module:
        """Return an architecture's network with fresh weights."""
        return self._each[0].build(values)


@dataclass(frozen=True)
class _Reason:
    """Why a rule refuses, and at which size of images."""

    rule: Rule
    size: Token

    def __call__(self, row: Sequence[int]) -> str:
        return f"{self.rule.reason(row[1:])} (images of {self.size})"


__all__ = ["SizedBlueprint"]
