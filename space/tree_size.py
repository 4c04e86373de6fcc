"""How many codes a tree of parameters holds, refused ones excluded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugnas.space.codes import CodeTree, Rule
from plugnas.space.parameter import Parameter

_LISTED = 500_000


def count_tree(parameters: Sequence[Parameter]) -> int:
    """Return the number of architectures of parameters that nothing refuses."""
    choices = {p.name: p.choices for p in parameters}
    ways = {p.name: [1] * len(p.choices) for p in parameters}  # below each choice
    total = 1
    for p in reversed(parameters):  # children come after their parents
        own = sum(ways[p.name])
        if p.parent is None:
            total *= own
            continue
        for i, choice in enumerate(choices[p.parent]):
            if choice in p.when:
                ways[p.parent][i] *= own
    return total


def count_ruled(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> int:
    """Return the number of architectures under rules.

    Parameters that hang together, by a condition or by a rule, are counted apart from the others
    and the numbers multiplied. A set of more than 500,000 is estimated from a sample.
    """
    group = list(range(len(parameters)))
    index = {p.name: j for j, p in enumerate(parameters)}
    ties = [(index[p.parent], index[p.name]) for p in parameters if p.parent is not None]
    for a, b in [*ties, *((rule.columns[0], c) for rule in rules for c in rule.columns)]:
        old, new = group[b], group[a]
        group = [new if g == old else g for g in group]
    total = 1
    for which in sorted(set(group)):
        columns = [j for j, g in enumerate(group) if g == which]
        total *= _count_together(parameters, rules, columns)
    return total


def _count_together(
    parameters: Sequence[Parameter], rules: Sequence[Rule], columns: list[int]
) -> int:
    own = [parameters[j] for j in columns]
    inside = [
        Rule(tuple(columns.index(c) for c in rule.columns), rule.refused, rule.reason)
        for rule in rules
        if rule.columns[0] in columns
    ]
    without = count_tree(own)
    if not inside:
        return without
    if without <= _LISTED:
        return sum(len(codes) for codes in CodeTree(own, inside).enumerate(4096))
    drawn = CodeTree(own).sample(100_000, np.random.default_rng(0))
    share = CodeTree(own, inside).allowed(drawn).mean()
    return max(1, round(without * float(share)))
