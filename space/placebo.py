"""The placebo of a host's sites: as many parameters as what is judged, and no look at anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from plugnas import modules
from plugnas.space.architecture import Architecture
from plugnas.space.host.groups import Group
from plugnas.space.host.names import NOTHING
from plugnas.space.host.plugs import Placement, build_module
from plugnas.space.options import Choice, Option
from plugnas.space.parameter import Token
from plugnas.space.parts import choice_at
from plugnas.space.search_space import SearchSpace
from plugnas.space.training import is_setting

PLACEBO = "placebo"


def with_placebo(space: SearchSpace, names: Iterable[str]) -> SearchSpace:
    """Return the space in which some sites of its host offer a placebo too.

    Its first setting has as many parameters as the largest module that the site offers, so that
    what gains more than it does not gain by its parameters. Members of the space are members of
    the new one, under the same ids.

    Args:
        space: the space of a host; any other is returned as it is.
        names: the parameters of the sites; those at which something is replaced keep what they
            offer, for there the host's own module is what a choice is held against.
    """
    wanted = set(names)
    also = {g.name: _option(g) for g in groups_with_placebo(space) if g.name in wanted}
    if space.host is None or not also:
        return space
    return space.on_host(space.host.offering(also))


def unchanged(space: SearchSpace, like: Architecture | None = None) -> Architecture | None:
    """Return the host as it is, None without one or where some site always plugs.

    Args:
        space: the space.
        like: trained by the settings of this member; by default by the first of each list.
    """
    values = None if space.host is None else space.host.unchanged()
    if values is None:
        return None
    own = {p.name: p.choices[0] for p in space.parameters if is_setting(p)}
    told = {} if like is None else {name: like[name] for name in own}
    return space.architecture({**values, **own, **told})


def groups_with_placebo(space: SearchSpace) -> list[Group]:
    """Return the sites of a host at which a placebo can stand and the job names none."""
    groups = () if space.host is None else space.host.groups
    return [g for g in groups if g.holder.how == "after" and PLACEBO not in _keys(g)]


def twin(space: SearchSpace, architecture: Architecture) -> Architecture | None:
    """Return an architecture with placebos of equal parameters after its sites, None without plugs.

    Args:
        space: one in which each site that holds a plug offers a placebo (see ``with_placebo``).
        architecture: a member of it.
    """
    values: Mapping[str, Token] = architecture.values
    found: dict[str, Token] = dict(values)
    for group in () if space.host is None else space.host.groups:
        name, key = group.name, values.get(group.name)
        if group.holder.how == "after" and key not in (None, PLACEBO, *NOTHING):
            found = {n: v for n, v in found.items() if not n.startswith(f"{name}.")}
            size = _parameters(group, choice_at(name, values))
            found |= {name: PLACEBO, f"{name}.{PLACEBO}.hidden": _nearest(group, size)}
    return None if found == dict(values) else space.architecture(found)


def _option(group: Group) -> Option:
    """Return the placebo with the setting first that is as large as the site's largest module."""
    sizes = [
        _parameters(group, choice)
        for choice in group.slot.choices
        if choice.key not in NOTHING and group.refusal((), choice) is None
    ]
    entry = modules.get(PLACEBO)
    first = _nearest(group, max(sizes, default=0))
    return Option(entry, {"hidden": (first, *(h for h in entry.choices["hidden"] if h != first))})


def _nearest(group: Group, size: int) -> int:
    """Return the setting of the placebo whose parameters are the nearest to a number."""
    values = [h for h in modules.get(PLACEBO).choices["hidden"] if isinstance(h, int)]

    def away(hidden: int) -> int:
        return abs(_parameters(group, Choice(PLACEBO, (("hidden", hidden),))) - size)

    return min(values, key=away)


def _parameters(group: Group, choice: Choice) -> int:
    """Return the parameters of a choice at all sites of a group together."""
    holder, total = group.holder, 0
    with torch.device("meta"):
        for site in group.sites:
            module = build_module(Placement(holder.how, site.path, holder.slot, choice), site)
            total += sum(p.numel() for p in module.parameters())
    return total


def _keys(group: Group) -> set[str]:
    return {option.entry.key for option in group.slot.options}


__all__ = ["PLACEBO", "groups_with_placebo", "twin", "with_placebo"]
