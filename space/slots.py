"""What skeleton and host share of a compiled space: slots, their parameters and refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plugnas import modules
from plugnas.modules import Site
from plugnas.space.codes import Rule
from plugnas.space.errors import SpaceError
from plugnas.space.options import Choice, Option
from plugnas.space.parameter import Parameter, Token
from plugnas.space.piece import Shape

Refusal = Callable[[tuple[Token, ...], Choice], str | None]
"""Why a choice cannot stand where some leading parameters hold these values, or None."""


@dataclass(frozen=True)
class Position:
    """A place in the network: its part depends on exactly these columns of a code matrix."""

    name: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """A slot of the job: what it offers, and how often it is chosen."""

    name: str
    options: tuple[Option, ...]
    scope: str = "network"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Every module under every open setting."""
        return tuple(choice for option in self.options for choice in option.choices())


@dataclass(frozen=True)
class Place:
    """One slot at one position, with the widths on which its site depends.

    ``parameter`` names the module, ``site`` is (C, H, W) with C = 0, a width not yet known.
    """

    slot: Slot
    parameter: str
    widths: tuple[str, ...]
    site: Shape
    stride: int = 1
    depth: tuple[str, int] | None = None  # active only where this depth is at least so much
    scale: int = 2

    def site_for(self, widths: tuple[int, ...]) -> Site:
        """The site under concrete widths."""
        _, height, width = self.site
        return Site(widths[0], height, width, self.stride, widths[-1], self.scale)


def slot_parameters(
    slot: Slot,
    name: str,
    parent: str | None = None,
    when: tuple[int, ...] = (),
    label: str | None = None,
) -> Iterator[Parameter]:
    """Yield the parameter that holds a slot's choice, and those of the settings below it.

    Args:
        slot: what it offers.
        name: of the parameter.
        parent: the parameter under which it exists, and ``when``: that parameter's values.
        label: what the slot is called where choices are compared; by default as it is.
    """
    label = label or slot.name
    keys = tuple(option.entry.key for option in slot.options)
    families = tuple(option.entry.family for option in slot.options)
    yield Parameter(name, keys, parent, when, label, families)
    for option in slot.options:
        for setting, values in option.settings.items():
            tokens = tuple(modules.token(value) for value in values)
            key = option.entry.key
            above: str = name
            holds: tuple[Token, ...] = (key,)
            if waking := option.wakes(setting):
                above = f"{name}.{key}.{waking[0]}"
                holds = tuple(modules.token(value) for value in waking[1])
            yield Parameter(f"{name}.{key}.{setting}", tokens, above, holds, label)


@dataclass(frozen=True)
class Refusing:
    """Makes the rules of one parameter that holds a module: which of its settings are refused.

    Args:
        parameters: those of the space, and ``index``, their columns by name.
        name: the parameter that holds the module.
        refusal: why a choice cannot stand under given values of the ``leading`` parameters.
        leading: names of further parameters on which a refusal depends.
        only_where: a parameter and its values under which the place exists; None: always.
    """

    parameters: Sequence[Parameter]
    index: Mapping[str, int]
    name: str
    refusal: Refusal
    leading: tuple[str, ...] = ()
    only_where: tuple[str, tuple[Token, ...]] | None = None

    def rules(self, options: Sequence[Option], place: str, instead: str) -> Iterator[Rule]:
        """Yield the rules of the offered modules.

        Args:
            options: the modules, with their settings.
            place: what the place is called in the error.
            instead: what else could be changed, besides the modules that are offered.

        Raises:
            SpaceError: none of them fits.
        """
        some = False
        reasons: dict[str, str] = {}
        for option in options:
            rule, fits = self._rule(option, reasons)
            some |= fits
            if rule is not None:
                yield rule
        if not some:
            listed = "; ".join(f"{key}: {reason}" for key, reason in list(reasons.items())[:5])
            raise SpaceError(
                f"{place} refuses every one of its choices ({listed}); offer another module or "
                f"{instead}"
            )

    def _rule(self, option: Option, reasons: dict[str, str]) -> tuple[Rule | None, bool]:
        """Return the rule of one offered module, None without refusals, and whether any fits.

        ``reasons`` collects, by choice, why it was refused.
        """
        if option.entry.refuses is None:
            return None, True
        columns = self._columns(option)
        refused = np.zeros([len(self.parameters[c].choices) + 1 for c in columns], dtype=bool)
        key_code = self._choices(self.name).index(option.entry.key) + 1
        lead = [range(len(self._choices(name))) for name in self.leading]
        settings = [range(len(values)) for values in option.settings.values()]
        fits = False
        for before, codes in itertools.product(
            itertools.product(*lead), itertools.product(*settings)
        ):
            choice = self._choice(option, codes)
            reason = self.refusal(self._values(before), choice)
            fits |= reason is None
            if reason is not None:
                reasons[choice.text] = reason
                effective = dict(choice.setting)  # what has no effect is inactive: code -1
                awake = (
                    c + 1 if s in effective else 0
                    for s, c in zip(option.settings, codes, strict=True)
                )
                refused[(*(c + 1 for c in before), key_code, *awake)] = True
        if self.only_where is not None:
            there = self._choices(self.only_where[0])
            absent = [i + 1 for i, v in enumerate(there) if v not in self.only_where[1]]
            refused[..., [0, *absent]] = False
        if not refused.any():
            return None, fits

        def explain(row: Sequence[int]) -> str:
            start = len(self.leading) + 1
            choice = self._choice(option, tuple(row[start : start + len(settings)]))
            reason = self.refusal(self._values(row[: len(self.leading)]), choice)
            return f"{self.name}: {choice.text} is refused: {reason}"

        return Rule(columns, refused, explain), fits

    def _columns(self, option: Option) -> tuple[int, ...]:
        names = [*self.leading, self.name]
        names += [f"{self.name}.{option.entry.key}.{s}" for s in option.settings]
        if self.only_where is not None:
            names.append(self.only_where[0])
        return tuple(self.index[name] for name in names)

    def _choices(self, name: str) -> tuple[Token, ...]:
        return self.parameters[self.index[name]].choices

    def _values(self, codes: Sequence[int]) -> tuple[Token, ...]:
        return tuple(self._choices(n)[c] for n, c in zip(self.leading, codes, strict=True))

    def _choice(self, option: Option, codes: Sequence[int]) -> Choice:
        return option.choice(
            {s: option.settings[s][max(c, 0)] for s, c in zip(option.settings, codes, strict=True)}
        )
