"""Values of another space, read as those of this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugnas.space.parameter import Parameter, Token


def adopted(
    values: Mapping[str, Token], parameters: Sequence[Parameter], *, has_network: bool
) -> dict[str, Token]:
    """Return the values under which a space of these parameters builds the same network.

    Settings that one of the two spaces does not name stand at their defaults there. What cannot be
    said in this space is left in, for the space to refuse.

    Args:
        values: those of the other space.
        parameters: of this space, parents before their children.
        has_network: whether the values are those of networks, which can be compared.
    """
    names = {p.name for p in parameters}
    if values.keys() <= names and not any(_unsaid(p, values) for p in parameters):
        return dict(values)
    from plugnas.space.merging import one_network  # these two need the zoo, and with it torch
    from plugnas.space.parts import default_of

    kept = {n: v for n, v in values.items() if n in names or default_of(n) != v}
    known = {n: v for n, v in kept.items() if n in names}
    if has_network and len(known) < len(kept) and one_network(known, kept):
        kept = known  # the value builds what the default builds
    for p in parameters:
        if _unsaid(p, kept):
            default = default_of(p.name)
            if default in p.choices:
                kept[p.name] = default
    return kept


def _unsaid(parameter: Parameter, values: Mapping[str, Token]) -> bool:
    """Whether a parameter has an effect beside these values and is not among them."""
    parent = values.get(parameter.parent) if parameter.parent is not None else None
    return parameter.name not in values and parent in parameter.when
