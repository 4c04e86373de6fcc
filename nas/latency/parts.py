"""Every distinct part that a space can put into a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from modules import RefusedError
from nas.latency.errors import LatencyError
from space import Architecture, Parameter, Part, Position, SearchSpace

Key = tuple[str, tuple[int, int, int]]


def parts_of_space(space: SearchSpace, limit: int) -> dict[Key, Part]:
    """Return the distinct parts of a space by (key, input shape).

    Parts that a module refuses are among them: only building tells.

    Raises:
        LatencyError: there are more than ``limit``.
    """
    parts: dict[Key, Part] = {}
    for position in space.positions:
        for row in _rows(space.parameters, position):
            part = space.part_at(position, row)
            if part is not None:
                parts[part.key, part.input_shape] = part
            if len(parts) > limit:
                raise LatencyError(
                    f"a latency table of at most {limit} distinct parts is measured, but this "
                    "space has more; offer fewer choices, or choose slots per stage or network"
                )
    return parts


def parts_of_architectures(
    space: SearchSpace, architectures: Sequence[Architecture]
) -> dict[Key, Part]:
    """Return the distinct parts of some architectures by (key, input shape)."""
    return {
        (part.key, part.input_shape): part
        for architecture in architectures
        for part in space.parts(architecture)
    }


def is_buildable(part: Part) -> bool:
    """Whether no module refuses its site in the part."""
    try:
        with torch.device("meta"):
            part.build()
    except RefusedError:
        return False
    except (NotImplementedError, RuntimeError):  # a module that must look at its values
        return True
    return True


def _rows(parameters: Sequence[Parameter], position: Position) -> Iterator[list[int]]:
    """Yield every combination of codes of a position's columns, -1 where inactive."""
    columns = position.columns
    place = {parameters[c].name: i for i, c in enumerate(columns)}
    row = [-1] * len(columns)

    def extend(i: int) -> Iterator[list[int]]:
        if i == len(columns):
            yield row
            return
        parameter = parameters[columns[i]]
        row[i] = -1
        if parameter.parent is not None:
            code = row[place[parameter.parent]]
            parent = parameters[columns[place[parameter.parent]]]
            if code < 0 or parent.choices[code] not in parameter.when:
                yield from extend(i + 1)
                return
        for code in range(len(parameter.choices)):
            row[i] = code
            yield from extend(i + 1)
        row[i] = -1

    return extend(0)
