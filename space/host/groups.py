"""The sites of a job: patterns matched, choices read, and sites that share one choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from plugnas import modules
from plugnas.modules import Entry, Site
from plugnas.space import adapters
from plugnas.space.config import HostConfig, SiteConfig, SpaceConfig
from plugnas.space.errors import SpaceError
from plugnas.space.host.match import common_pattern, matching, unmatched
from plugnas.space.host.names import NOTHING, SLOTS, Holder
from plugnas.space.host.plugs import Placement, site_of
from plugnas.space.host.records import HostSite, HostTrace, Map
from plugnas.space.merging import network
from plugnas.space.options import Choice, Option, resolve
from plugnas.space.parameter import Token
from plugnas.space.slots import Slot

KEEP = Entry("keep", nn.Identity, "operator", "identity", "What stands there", None, None, {})
"""The choice of a replaced site that leaves the host's own module there."""


@dataclass(frozen=True)
class Group:
    """Sites that share one choice."""

    holder: Holder
    slot: Slot
    sites: tuple[HostSite, ...]

    @property
    def name(self) -> str:
        """The parameter that holds the choice."""
        return self.holder.name

    @property
    def where(self) -> list[Site]:
        """The sites as modules of the zoo see them."""
        how, slot, keep = self.holder.how, self.holder.slot, Choice(KEEP.key)
        return [site_of(Placement(how, site.path, slot, keep), site) for site in self.sites]

    def offering(self, option: Option | None) -> Group:
        """Return the group with one more option; None leaves it as it is."""
        if option is None:
            return self
        slot = self.slot
        return Group(self.holder, Slot(slot.name, (*slot.options, option), slot.scope), self.sites)

    def networks(self) -> set[tuple[object, ...]]:
        """Return what tells apart the networks among the choices that are not refused."""
        sites, slot = self.where, self.holder.slot
        return {
            (choice.key,) if choice.key in NOTHING else network(slot, choice, sites)
            for choice in self.slot.choices
            if self.refusal((), choice) is None
        }

    def refusal(self, _: tuple[Token, ...], choice: Choice) -> str | None:
        """Return why a choice cannot stand at one of the sites, or None."""
        if choice.key in NOTHING:
            return None
        entry = modules.get(choice.key)
        for site in self.sites:
            placement = Placement(self.holder.how, site.path, self.holder.slot, choice)
            where = site_of(placement, site)
            setting = dict(choice.setting)
            if reason := adapters.refusal(entry, self.holder.slot, where, setting):
                return reason if len(self.sites) == 1 else f"at {site.path}: {reason}"
        return None


def check_host(config: SpaceConfig) -> HostConfig:
    """Return the host of a section that speaks of one alone, and not of a skeleton too.

    Raises:
        SpaceError: sites without a host, a host without sites, or parts of a skeleton beside it.
    """
    if config.host is None:
        raise SpaceError("space.sites: sites are places of a host; name it under `space.host`")
    if not config.sites:
        raise SpaceError("space.sites: name at least one site of the host; `nas sites` lists them")
    plain = SpaceConfig()
    skeleton = ("stages", "stem", "slots", "context", "pooling")
    given = [name for name in skeleton if getattr(config, name) != getattr(plain, name)]
    if given:
        raise SpaceError(
            f"space.{given[0]}: belongs to a skeleton, and this space has a host; leave it out"
        )
    return config.host


def groups_of(config: SpaceConfig, trace: HostTrace) -> Iterator[Group]:
    """Yield the groups of sites that share one choice, in the job's order.

    Raises:
        SpaceError: an item that names no site, a slot that fits none, a place given twice.
    """
    seen: dict[tuple[str, str], str] = {}
    for number, item in enumerate(config.sites):
        where = f"space.sites[{number}]"
        how, pattern = _named(item, where)
        if item.slot not in SLOTS[how]:
            raise SpaceError(
                f"{where}.slot: `{how}` takes {' or '.join(SLOTS[how])}, but got `{item.slot}`"
            )
        slot = Slot(item.slot, resolve_site(how, item, f"{where}.choices"))
        sites = _sites(trace, how, pattern, item.slot, where)
        for site in sites:
            place = (site.path, item.slot if how == "after" else how)
            if place in seen:
                raise SpaceError(
                    f"{where}: `{site.path}` is given twice for slot `{item.slot}`, in "
                    f"{seen[place]} too; one choice stands at a place"
                )
            seen[place] = where
        for members in _together(item, sites):
            name = common_pattern([s.path for s in members], [s.path for s in sites], pattern)
            yield Group(Holder(how, name, item.slot), slot, tuple(members))


def _named(item: SiteConfig, where: str) -> tuple[Any, str]:
    if (item.after is None) == (item.replace is None):
        raise SpaceError(f"{where}: give either `after` or `replace`, a path or pattern of paths")
    return ("after", item.after) if item.after is not None else ("replace", str(item.replace))


def resolve_site(how: str, item: SiteConfig, where: str) -> tuple[Option, ...]:
    """Read the choices of a site: those of a slot, and ``keep`` where something is replaced."""
    listed = [item.choices] if isinstance(item.choices, str) else list(item.choices)
    if "keep" not in listed:
        return resolve(item.slot, item.choices, where)
    if how == "after":
        raise SpaceError(f"{where}: `keep` is for what is replaced; after a site write `none`")
    place = listed.index("keep")
    others = [other for other in listed if other != "keep"]
    found = list(resolve(item.slot, others, where)) if others else []
    found.insert(0 if place == 0 else len(found), Option(KEEP, {}))
    return tuple(found)


def _sites(trace: HostTrace, how: str, pattern: str, slot: str, where: str) -> list[HostSite]:
    """Return the sites that a pattern means and the slot fits; none is an error."""
    paths = matching(pattern, trace.by_path)
    if not paths:
        raise SpaceError(f"{where}: {unmatched(trace, pattern)}")
    found = [trace.by_path[p] for p in paths if slot in slots_of(trace.by_path[p], how)]
    if not found:
        site = trace.by_path[paths[0]]
        fitting = [f"{h} with {', '.join(s)}" for h in SLOTS if (s := slots_of(site, h))]
        reason = site.why_not.get(slot) or site.why_not.get(how) or f"is {site.kind}"
        raise SpaceError(
            f"{where}: slot `{slot}` does not fit {how} `{site.path}`: it {reason} "
            f"(fitting: {'; '.join(fitting)})"
        )
    return found


def slots_of(site: HostSite, how: str) -> tuple[str, ...]:
    """Return the slots that fit after a site, or in its place."""
    return site.after if how == "after" else site.replace


def _together(item: SiteConfig, sites: list[HostSite]) -> list[list[HostSite]]:
    """Split the sites into groups of one choice; a stage is what has maps of one size."""
    if item.together == "all":
        return [sites]
    if item.together == "each":
        return [[site] for site in sites]
    stages: dict[tuple[Map | None, Map], list[HostSite]] = {}
    for site in sites:
        entering = site.map_in if item.replace is not None else None
        stages.setdefault((entering, site.map_out), []).append(site)
    return list(stages.values())
