"""Training settings that are chosen beside the modules: lists in the ``recipe:`` of a job.

A setting with several values is a parameter named ``recipe.<setting>``; one with a single value is
none. ``resolution`` alone changes what is built: its values are further choices of ``input``, the
size of the images that enter the network, and so are costed exactly.

The choices of a parameter are all strings or all ints, so other values have one canonical text:
``0.05``, ``true``, ``none``; text that would be read as another value stands in quotes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter, Token

if TYPE_CHECKING:
    from plugnas.space.piece import Shape
    from plugnas.space.search_space import SearchSpace

PREFIX = "recipe."
INPUT, RESOLUTION = "input", "resolution"
Value = bool | int | float | str | None
Recipe = Mapping[str, Any]
"""Setting -> its value, or the list of values among which it is chosen."""

_WORDS: dict[str, Value] = {"none": None, "true": True, "false": False}


def token(value: Value) -> Token:
    """Return the canonical text of a value; an int stays one."""
    if isinstance(value, str):
        plain = value and value[0] != '"' and isinstance(read(value), str)
        return value if plain else json.dumps(value)
    if value is None or isinstance(value, bool):
        return next(word for word, meant in _WORDS.items() if meant is value)
    return value if isinstance(value, int) else repr(value).removesuffix(".0")


def read(chosen: Token) -> Value:
    """Return the value whose text this is."""
    if isinstance(chosen, int):
        return chosen
    if chosen in _WORDS:
        return _WORDS[chosen]
    if chosen.startswith('"'):
        return str(json.loads(chosen))
    for kind in (int, float):
        try:
            return kind(chosen)
        except ValueError:
            pass
    return chosen


def varied(recipe: Recipe) -> dict[str, tuple[Value, ...]]:
    """Return the settings among whose values a search chooses: those with several.

    Raises:
        SpaceError: a name or a list that says no choice.
    """
    found = {name: _values(name, given) for name, given in recipe.items()}
    return {name: values for name, values in found.items() if len(values) > 1}


def plain(recipe: Recipe) -> dict[str, Value]:
    """Return the settings that have one value, in a list or not. Raises as ``varied``."""
    found = {name: _values(name, given) for name, given in recipe.items()}
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def parameters(recipe: Recipe) -> list[Parameter]:
    """Return the parameters of the settings that vary, ``resolution`` left out."""
    return [
        Parameter(f"{PREFIX}{name}", _tokens(values), slot=name)
        for name, values in varied(recipe).items()
        if name != RESOLUTION
    ]


def shapes(recipe: Recipe, input_shape: Shape) -> tuple[Shape, ...]:
    """Return the (C, H, W) of images among which ``resolution`` chooses; without it the one given.

    Raises:
        SpaceError: a height of no pixel, or above that of the images.
    """
    if RESOLUTION not in recipe:
        return (input_shape,)
    found = []
    for rows in _values(RESOLUTION, recipe[RESOLUTION]):
        if isinstance(rows, bool) or not isinstance(rows, int) or not 0 < rows <= input_shape[1]:
            raise SpaceError(
                f"recipe.{RESOLUTION} is the height of the images in pixels, from 1 to the "
                f"{input_shape[1]} that they have, but got {rows!r}; load larger ones by "
                "`data: {size: ...}`"
            )
        found.append(resized(input_shape, rows))
    return tuple(found)


def check_host(recipe: Recipe) -> None:
    """Refuse a choice of sizes for a host.

    Raises:
        SpaceError: ``resolution`` is among the settings.
    """
    if RESOLUTION in recipe:
        raise SpaceError(
            f"recipe.{RESOLUTION} is for a skeleton: a host is traced, and its costs are counted, "
            "at one size of images, that of `data`; leave it out, and search each `data: {size: "
            "...}` in a run of its own"
        )


def resized(shape: Shape, rows: int) -> Shape:
    """Return the (C, H, W) of images of so many rows, their sides in the same proportion."""
    channels, height, width = shape
    return channels, rows, max(1, round(width * rows / height))


def settings_of(values: Mapping[str, Token]) -> dict[str, Value]:
    """Return the training settings that an architecture's values choose, by name."""
    return {n.removeprefix(PREFIX): read(v) for n, v in values.items() if n.startswith(PREFIX)}


def recipe_at(recipe: Recipe, values: Mapping[str, Token]) -> dict[str, Value]:
    """Return the value of every setting of a recipe for the architecture with these values."""
    return {**plain(recipe), **own_values(tuple(varied(recipe)), values)}


def own_values(names: Sequence[str], values: Mapping[str, Token]) -> dict[str, Value]:
    """Return the values of some settings that vary, by the values of an architecture."""
    return {
        name: resolution_of(values) if name == RESOLUTION else read(values[f"{PREFIX}{name}"])
        for name in names
    }


def resolution_of(values: Mapping[str, Token]) -> int:
    """Return the height of the images that enter the network."""
    return int(str(values[INPUT]).split("x")[1])


def heights_of(space: SearchSpace) -> dict[str, str]:
    """Return size -> the height alone, as a recipe says it, of the sizes among which is chosen."""
    sizes = [c for p in space.parameters if p.name == INPUT and is_setting(p) for c in p.choices]
    return {str(size): str(resolution_of({INPUT: size})) for size in sizes}


def chosen_of(space: SearchSpace, values: Mapping[str, Token]) -> dict[str, Value]:
    """Return the training settings of an architecture that its space leaves open, by name."""
    return own_values([name_of(p) for p in space.parameters if is_setting(p)], values)


def text_of(chosen: Mapping[str, Value]) -> str:
    """Return settings in one line: ``learning_rate 0.05, mirror true``."""
    return ", ".join(f"{name} {token(value)}" for name, value in chosen.items())


def is_setting(parameter: Parameter) -> bool:
    """Whether a parameter chooses how a network is trained, the size of its images included."""
    several = parameter.name == INPUT and len(parameter.choices) > 1
    return several or parameter.name.startswith(PREFIX)


def name_of(parameter: Parameter) -> str:
    """Return the name of a parameter's training setting."""
    return RESOLUTION if parameter.name == INPUT else parameter.name.removeprefix(PREFIX)


def _values(name: str, given: Any) -> tuple[Value, ...]:
    where = f"recipe.{name}"
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise SpaceError(f"recipe: a setting is named by a word, but got {name!r}")
    values = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not values:
        raise SpaceError(f"{where} is an empty list; give a value, several, or leave it out")
    for value in values:
        if not isinstance(value, bool | int | float | str | None):
            raise SpaceError(
                f"{where}: a setting is a number, a word, true, false or null, or a list of "
                f"these, but got {value!r}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise SpaceError(f"{where} must be a finite number, but got {value}")
        if isinstance(value, str) and re.fullmatch(r"[-+]?\d+e[-+]?\d+", value, re.IGNORECASE):
            head, _, power = value.lower().partition("e")
            raise SpaceError(
                f"{where}: YAML reads `{value}` as text; a number is written {head}.0e{power}"
            )
    tokens = _tokens(values)
    if len(set(tokens)) < len(tokens):
        raise SpaceError(f"{where} holds a value twice: {', '.join(map(str, tokens))}")
    return tuple(values)


def _tokens(values: Sequence[Value]) -> tuple[Token, ...]:
    """Return the choices of a parameter: all ints, or all texts."""
    tokens = [token(value) for value in values]
    if all(isinstance(t, int) for t in tokens):
        return tuple(tokens)
    return tuple(str(t) for t in tokens)


__all__ = [
    "PREFIX",
    "RESOLUTION",
    "Recipe",
    "Value",
    "chosen_of",
    "heights_of",
    "is_setting",
    "name_of",
    "own_values",
    "parameters",
    "plain",
    "read",
    "recipe_at",
    "resized",
    "resolution_of",
    "settings_of",
    "shapes",
    "text_of",
    "token",
    "varied",
]
