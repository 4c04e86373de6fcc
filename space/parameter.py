"""One categorical choice of a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from plugnas.space.errors import SpaceError

Token = int | str


class Trial(Protocol):
    """What a space needs of an Optuna trial."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""


@dataclass(frozen=True)
class Parameter:
    """A named choice with one fixed list of values for ever.

    It is active where its parent is active and holds one of ``when``; without a parent, always.
    ``slot`` says what is chosen (``operator``, ``width``, ...; None in spaces without a network),
    ``families`` the family of each choice where the choices are modules.
    """

    name: str
    choices: tuple[Token, ...]
    parent: str | None = None
    when: tuple[Token, ...] = ()
    slot: str | None = None
    families: tuple[str, ...] | None = None

    @property
    def ordinal(self) -> bool:
        """Whether the choices are numbers, and so have an order."""
        return all(isinstance(choice, int) for choice in self.choices)

    @property
    def of_choice(self) -> bool:
        """Whether it is a setting of a choice, such as ``op.conv.kernel`` of ``conv`` in ``op``.

        A block that there is at some depths only is none.
        """
        return self.parent is not None and self.name.startswith(f"{self.parent}.")


def plain_parameter(name: str, values: Sequence[Token]) -> Parameter:
    """Return a parameter of a plain space.

    Raises:
        SpaceError: an empty or repeated choice list, or values of mixed types.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise SpaceError(f"`{name}` needs a non-empty list of choices, but got {values!r}")
    kinds = {type(value) for value in values}
    if not kinds <= {int, str} or len(kinds) > 1:
        raise SpaceError(
            f"the choices of `{name}` must be all strings or all ints, but got {list(values)!r}"
        )
    if len(set(values)) < len(values):
        raise SpaceError(f"the choices of `{name}` hold a value twice: {list(values)!r}")
    return Parameter(str(name), tuple(values))
