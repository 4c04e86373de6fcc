"""Plain spaces: a dict of choices, with conditions, families and refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from plugnas.modules import did_you_mean
from plugnas.space.codes import Rule
from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter, Token, plain_parameter
from plugnas.space.tree_size import count_ruled, count_tree

Choices = Sequence[Token] | Mapping[Token, Mapping[str, Any] | None]
"""A list of choices, or a mapping of each choice to the parameters that exist under it."""

Refusals = Mapping[str | tuple[str, ...], Callable[..., str | bool | None]]
"""Names of parameters -> a function of their values: the reason, or False or None if they fit."""

_COMBINATIONS = 100_000


def plain_parameters(
    choices: Mapping[str, Choices], families: Mapping[Token, str] | None = None
) -> list[Parameter]:
    """Return the parameters of a plain space, each after the one it hangs on.

    What exists only under a choice is named after it: ``op``, and ``op.conv.kernel`` under
    ``conv``.

    Raises:
        SpaceError: an empty or repeated choice list, values of mixed types, a name given twice, or
            a family of a choice that there is not.
    """
    if not isinstance(choices, Mapping):
        raise SpaceError(f"a space is a mapping of names to choices, but got {choices!r}")
    found = [p for name, values in choices.items() for p in _tree(str(name), values)]
    if not found:
        raise SpaceError("a space needs at least one parameter, but got none")
    names = [p.name for p in found]
    for name in names:
        if names.count(name) > 1:
            raise SpaceError(f"two parameters are named `{name}`; rename one of them")
    return [_with_families(p, families or {}) for p in found] if _known(families, found) else found


def _tree(
    name: str, values: Choices, parent: str | None = None, when: tuple[Token, ...] = ()
) -> Iterator[Parameter]:
    """Yield a parameter and those below its choices."""
    below = values if isinstance(values, Mapping) else {}
    own = plain_parameter(name, list(values) if isinstance(values, Mapping) else values)
    yield Parameter(own.name, own.choices, parent, when)
    for choice, children in below.items():
        if children is not None and not isinstance(children, Mapping):
            raise SpaceError(
                f"under `{choice}` of `{name}` must be a mapping of names to choices, such as "
                f"{{'kernel': [3, 5]}}, or {{}}, but got {children!r}"
            )
        for child, nested in (children or {}).items():
            yield from _tree(f"{name}.{choice}.{child}", nested, name, (choice,))


def _known(families: Mapping[Token, str] | None, parameters: Sequence[Parameter]) -> bool:
    """Return whether there are families; raise where one is of a choice that there is not."""
    offered = {choice for p in parameters for choice in p.choices}
    for choice in families or {}:
        if choice not in offered:
            guess = did_you_mean(str(choice), sorted(map(str, offered)))
            raise SpaceError(f"families: no parameter has a choice `{choice}`{guess}")
    return bool(families)


def _with_families(p: Parameter, families: Mapping[Token, str]) -> Parameter:
    """Return the parameter with the family of each choice; one without a family is its own."""
    if not any(choice in families for choice in p.choices):
        return p
    named = tuple(str(families.get(choice, choice)) for choice in p.choices)
    return Parameter(p.name, p.choices, p.parent, p.when, p.slot, named)


def plain_size(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> int:
    """Return how many members a plain space has."""
    return count_ruled(parameters, rules) if rules else count_tree(parameters)


def plain_rules(parameters: Sequence[Parameter], refuses: Refusals | None) -> list[Rule]:
    """Return the rules of a plain space: which values of some parameters do not go together.

    A function is asked once for every combination of the choices of its parameters. Where one of
    them is not active, nothing is refused.

    Raises:
        SpaceError: an unknown name, no function, or so many combinations that they are not listed.
    """
    index = {p.name: j for j, p in enumerate(parameters)}
    return [_rule(parameters, index, key, asked) for key, asked in (refuses or {}).items()]


def _rule(
    parameters: Sequence[Parameter],
    index: Mapping[str, int],
    key: str | tuple[str, ...],
    asked: Callable[..., str | bool | None],
) -> Rule:
    names = (key,) if isinstance(key, str) else tuple(key)
    for name in names:
        if name not in index:
            raise SpaceError(f"refuses: there is no parameter `{name}`{did_you_mean(name, index)}")
    if not names or len(set(names)) < len(names) or not callable(asked):
        raise SpaceError(
            "refuses maps names of parameters, each once, to a function of their values, such as "
            f"{{('op', 'stride'): lambda op, stride: ...}}, but got {key!r}: {asked!r}"
        )
    columns = tuple(index[name] for name in names)
    offered = [parameters[c].choices for c in columns]
    shape = tuple(len(choices) + 1 for choices in offered)
    if np.prod(shape, dtype=np.float64) > _COMBINATIONS:
        raise SpaceError(
            f"refuses: {', '.join(names)} have more than {_COMBINATIONS:,} combinations; "
            "name fewer parameters at a time"
        )
    refused = np.zeros(shape, dtype=bool)
    reasons: dict[tuple[int, ...], str] = {}
    for codes in itertools.product(*(range(len(choices)) for choices in offered)):
        values = [choices[code] for choices, code in zip(offered, codes, strict=True)]
        answer = asked(*values)
        if answer:
            refused[tuple(code + 1 for code in codes)] = True
            spelled = ", ".join(f"{n}={v}" for n, v in zip(names, values, strict=True))
            reasons[codes] = f"{spelled}: {answer if isinstance(answer, str) else 'refused'}"
    return Rule(columns, refused, lambda row: reasons[tuple(int(code) for code in row)])
