"""What an architecture holds, as numbers: the share of its blocks that make each choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugnas.space import Architecture, SearchSpace
from plugnas.space.parameter import Parameter, Token
from plugnas.space.training import is_setting, name_of

PLAIN = ("none", "keep", "add", "gap", "conv", "relu", "id")
"""Choices that mean no module: the other choices of a slot are compared with them."""


@dataclass(frozen=True)
class Slot:
    """A slot with more than one choice; ``columns`` are its parameters in the space.

    ``reference`` is the choice the others are held against: ``none``, ``keep``, ``add``, ``gap``,
    ``conv`` or ``relu`` where the slot offers it, else its first.
    """

    name: str
    choices: tuple[Token, ...]
    reference: Token
    columns: tuple[int, ...]


def slots_of(space: SearchSpace) -> tuple[Slot, ...]:
    """Return the slots of a space whose choices are modules; of a plain space, each parameter.

    In a host each site, or group of sites that choose together, is a slot of its own, named as its
    parameter is.
    """
    by_site = space.host is not None
    groups: dict[str, list[int]] = {}
    free = not space.has_network and all(p.families is None for p in space.parameters)
    for j, p in enumerate(space.parameters):
        if p.families is not None or (free and p.parent is None):
            groups.setdefault(p.name if by_site else p.slot or p.name, []).append(j)
    found = []
    for name, columns in groups.items():
        choices = tuple(dict.fromkeys(c for j in columns for c in space.parameters[j].choices))
        if len(choices) > 1:
            plain = [c for c in PLAIN if c in choices]
            found.append(Slot(name, choices, (plain or choices)[0], tuple(columns)))
    return tuple(found)


def training_slots(space: SearchSpace) -> tuple[Slot, ...]:
    """Return the training settings that a space with a network leaves open, apart from its slots.

    The first value of a setting's list is the one that the others are held against.
    """
    open_ones = [
        (name_of(p), p.choices, j)
        for j, p in enumerate(space.parameters)
        if space.has_network and is_setting(p)
    ]
    return tuple(Slot(name, choices, choices[0], (j,)) for name, choices, j in open_ones)


def all_slots(space: SearchSpace) -> tuple[Slot, ...]:
    """Return the slots of a space and, after them, its training settings."""
    return (*slots_of(space), *training_slots(space))


def shares(space: SearchSpace, slot: Slot, codes: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return (n, choices): of the blocks that have the slot, the share that makes each choice."""
    counts = np.zeros((len(codes), len(slot.choices)))
    place = {choice: k for k, choice in enumerate(slot.choices)}
    for j in slot.columns:
        for code, choice in enumerate(space.parameters[j].choices):
            counts[:, place[choice]] += codes[:, j] == code
    total = counts.sum(axis=1, keepdims=True)
    return counts / np.where(total > 0, total, 1)


def distances(codes: NDArray[np.int16]) -> NDArray[np.uint16]:
    """Return (n, n): the number of parameters in which two rows differ."""
    apart = np.zeros((len(codes), len(codes)), dtype=np.uint16)
    for column in codes.T:
        if (column != column[0]).any():
            apart += column[:, None] != column[None, :]
    return apart


def without(slot: Slot, space: SearchSpace, architecture: Architecture) -> tuple[object, ...]:
    """Return all of an architecture but what stands in a slot: equal for a matched pair."""
    own = {space.parameters[j].name for j in slot.columns}
    return tuple(
        (name, value)
        for name, value in architecture.values.items()
        if name not in own and not any(name.startswith(f"{p}.") for p in own)
    )


def content(slot: Slot, space: SearchSpace, architecture: Architecture) -> Token | None:
    """Return the one choice that stands in every place of a slot, or None where they differ."""
    held = {architecture.get(space.parameters[j].name) for j in slot.columns} - {None}
    return held.pop() if len(held) == 1 else None


def filled(
    slot: Slot, space: SearchSpace, architecture: Architecture, choice: Token
) -> Architecture:
    """Return the architecture with one choice, at its first settings, all over a slot.

    Args:
        slot: the slot.
        space: the space.
        architecture: what stands in all other slots.
        choice: what is put into this one.
    """
    parameters: Sequence[Parameter] = space.parameters
    own = {parameters[j].name for j in slot.columns}
    values = {
        name: value
        for name, value in architecture.values.items()
        if not any(name.startswith(f"{p}.") for p in own)
    }
    values |= {name: choice for name in own if name in values}
    for p in parameters:  # parents come before children
        below = any(p.name.startswith(f"{q}.") for q in own)
        if below and p.name not in values and values.get(p.parent or "") in p.when:
            values[p.name] = p.choices[0]
    return space.architecture(values)
