"""What a user expects to pay, as odds of choices that fade as measurements come in.

``prefer: {attention: se}`` makes ``se`` three times as likely as each other choice of the slot,
``{attention: {se: 5, cbam: 0.5}}`` five times, and ``cbam`` half as likely. Random proposals are
drawn by these odds; the predictor multiplies its acquisition by them (Hvarfner et al., 2022,
"piBO"). After n measurements they are raised to the power of ``PACE / n``, so that evidence has the
last word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.space import Parameter, SearchSpace
from plugnas.space.training import token

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

STRENGTH = 3.0
"""How many times as likely a preferred choice is, where no strength is given."""

PACE = 10
"""Measurements up to which the odds hold in full; after n of them they count as PACE / n."""


class PreferenceError(PlugnasError):
    """A preference for what the space does not offer, or a strength that is none."""


class Preference:
    """Odds of the choices of some parameters.

    Args:
        space: what is searched.
        wishes: parameter, slot or pattern of parameters (``stage3.*``) -> a choice or family, or a
            mapping of choices or families to strengths: how many times as likely as it was.

    Raises:
        PreferenceError: a name that the space does not have, or a strength that is no number
            above 0.
    """

    def __init__(self, space: SearchSpace, wishes: Mapping[str, Any]) -> None:
        if not isinstance(wishes, Mapping):
            raise PreferenceError(
                f"prefer: a mapping of slots to choices is needed, such as {{attention: se}}, but "
                f"got {wishes!r}"
            )
        self._odds: dict[int, Doubles] = {}
        for name, wish in wishes.items():
            places = _places(space.parameters, str(name))
            for choice, strength in _strengths(str(name), wish).items():
                self._note(space.parameters, places, str(name), choice, strength)

    def _note(
        self,
        parameters: tuple[Parameter, ...],
        places: list[int],
        name: str,
        choice: Any,
        strength: float,
    ) -> None:
        """Multiply the odds of a choice, or of all of a family, by its strength."""
        found = False
        for j in places:
            parameter = parameters[j]
            named = [str(c) in (str(choice), str(token(choice))) for c in parameter.choices]
            if not any(named) and parameter.families is not None:
                named = [str(choice) == family for family in parameter.families]
            if any(named):
                found = True
                odds = self._odds.setdefault(j, np.ones(len(parameter.choices)))
                odds[named] *= strength
        if not found:
            offered = [str(c) for j in places for c in parameters[j].choices]
            offered += [f for j in places for f in parameters[j].families or ()]
            unique = list(dict.fromkeys(offered))
            raise PreferenceError(
                f"prefer.{name}: there is no choice or family `{choice}`"
                f"{did_you_mean(str(choice), unique)} (offered: {', '.join(unique)})"
            )

    def odds(self, measured: int) -> dict[int, Doubles]:
        """Return column -> the odds of its choices, after so many measurements."""
        power = _power(measured)
        return {j: odds**power for j, odds in self._odds.items()}

    def logs(self, codes: Codes, measured: int) -> Doubles:
        """Return the logarithm of the odds of code rows (n,), after so many measurements."""
        result = np.zeros(len(codes))
        for j, odds in self._odds.items():
            logs = np.append(np.log(odds), 0.0)  # code -1, not active, takes the last
            result += logs[codes[:, j]]
        return result * _power(measured)

    def keys(self, codes: Codes, measured: int, rng: np.random.Generator) -> Doubles:
        """Return a random key for each row; the largest belong to rows drawn by their odds."""
        return self.logs(codes, measured) + rng.gumbel(size=len(codes))


def preference_of(space: SearchSpace, wishes: Mapping[str, Any] | None) -> Preference | None:
    """Return the preference, None where nothing is wished."""
    return Preference(space, wishes) if wishes else None


def _power(measured: int) -> float:
    return PACE / max(measured, PACE)


def _strengths(name: str, wish: Any) -> dict[Any, float]:
    """Return choice -> strength of one wish."""
    strengths = wish if isinstance(wish, Mapping) else {wish: STRENGTH}
    for choice, strength in strengths.items():
        number = isinstance(strength, int | float) and not isinstance(strength, bool)
        if not number or not 0 < strength < math.inf:
            raise PreferenceError(
                f"prefer.{name}.{choice} is how many times as likely the choice is, a number above "
                f"0 such as 3, but got {strength!r}"
            )
    return dict(strengths)


def _places(parameters: tuple[Parameter, ...], name: str) -> list[int]:
    """Return the columns that a name speaks of: a parameter, a slot's modules, a pattern."""
    free = [j for j, p in enumerate(parameters) if len(p.choices) > 1]
    exact = [j for j in free if parameters[j].name == name]
    of_slot = [j for j in free if parameters[j].slot == name]
    modules = [j for j in of_slot if parameters[j].families is not None]  # not their settings
    found = (
        exact or modules or of_slot or [j for j in free if fnmatchcase(parameters[j].name, name)]
    )
    if not found:
        known = [parameters[j].slot or parameters[j].name for j in free]
        unique = list(dict.fromkeys([*known, *(parameters[j].name for j in free)]))
        raise PreferenceError(
            f"prefer: there is no slot or open parameter `{name}`{did_you_mean(name, unique)}"
        )
    return found


__all__ = ["PACE", "STRENGTH", "Preference", "PreferenceError", "preference_of"]
