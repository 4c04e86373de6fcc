"""One categorical choice of a space."""

from __future__ import annotations

from dataclasses import dataclass

Token = int | str


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
