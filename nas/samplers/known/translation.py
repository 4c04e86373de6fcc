"""An architecture of another space, said in the words of this one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from plugnas.modules import PlugnasError
from plugnas.space import Architecture, Parameter, SearchSpace
from plugnas.space.training import is_setting

Families = Mapping[str, Mapping[Any, str]]
"""Parameter of the other space -> the family of each of its choices."""

_NOTHING = ("none", "keep")  # choices under which nothing is plugged in


class Untranslated(PlugnasError):
    """An architecture that has no counterpart in this space; the text says why."""


def translated(
    values: Mapping[str, Any], families: Families, space: SearchSpace
) -> tuple[Architecture, bool]:
    """Return the member of a space that stands for values of another, and whether it is exact.

    A number that the space does not offer becomes the nearest that it does; a module, the first of
    its family; what the other space did not name, its default or nothing plugged in. What was
    chosen for a whole stage or network stands for each of its blocks, and the first block for a
    stage. What has one choice here (such as the images' size) takes it, and a training setting that
    the other space did not choose so, the first of its list.

    Args:
        values: parameter -> value, as the other run recorded them.
        families: of its choices.
        space: this one.

    Raises:
        Untranslated: a choice has no counterpart here, half of this space's choices are not
            spoken of, or a module refuses its site here.
    """
    chosen: dict[str, Any] = {}
    asked, told, exact = 0, 0, True
    for parameter in space.parameters:
        if parameter.parent is not None and chosen.get(parameter.parent) not in parameter.when:
            continue
        if len(parameter.choices) == 1:
            chosen[parameter.name] = parameter.choices[0]
            continue
        asked += 1
        name = _source(parameter.name, values)
        told += name is not None
        found = _counterpart(parameter, values, name, families)
        if found is None:
            spoken = "" if name is None else f" of `{values[name]}`"
            raise Untranslated(f"`{parameter.name}` has no counterpart{spoken}")
        exact = exact and name == parameter.name and values[name] == found
        chosen[parameter.name] = found
    if 2 * told < asked or not asked:
        raise Untranslated(f"it tells {told} of this space's {asked} choices, fewer than half")
    architecture = space.architecture(chosen)
    refusal = space.refusal(architecture)
    if refusal is not None:
        raise Untranslated(f"refused here: {refusal}")
    return architecture, exact


def _source(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the name under which the other space speaks of a parameter, if it does."""
    wider = [name, re.sub(r"\.block\d+\b", "", name), re.sub(r"^stage\d+\.(block\d+\.)?", "", name)]
    stage = re.fullmatch(r"(stage\d+)\.((?!block)\w.*)", name)
    if stage is not None:
        wider.append(f"{stage[1]}.block1.{stage[2]}")
    elif "." not in name:
        wider += [f"stage1.{name}", f"stage1.block1.{name}"]
    return next((n for n in wider if n in values), None)


def _counterpart(
    parameter: Parameter, values: Mapping[str, Any], name: str | None, families: Families
) -> Any:
    """Return the choice that stands for the other space's value, or None."""
    choices = parameter.choices
    if name is None:
        from plugnas.space.parts import default_of  # with the zoo, which few searches need

        value = default_of(parameter.name)
        if value is None and not is_setting(parameter):
            return next((c for c in _NOTHING if c in choices), None)
    else:
        value = values[name]
    if value in choices:
        return choices[choices.index(value)]
    if is_setting(parameter):  # how the other run trained, or on images of which size
        return choices[0]
    if parameter.ordinal and isinstance(value, int | float):
        return min(choices, key=lambda choice: (_apart(choice, value), choice))
    family = families.get(name or "", {}).get(value)
    if family is None or parameter.families is None or family not in parameter.families:
        return None
    return choices[parameter.families.index(family)]


def _apart(a: Any, b: float) -> float:
    """Return how far two numbers are apart: in the logarithm where both are above 0."""
    return abs(math.log(a / b)) if a > 0 and b > 0 else abs(a - b)


__all__ = ["Untranslated", "translated"]
