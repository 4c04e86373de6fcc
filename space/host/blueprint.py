"""A job's host and sites compiled: parameters, positions and refusals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from plugnas.space.architecture import Architecture
from plugnas.space.codes import Rule
from plugnas.space.config import HostConfig, SpaceConfig
from plugnas.space.host.errors import HostError
from plugnas.space.host.groups import Group, check_host, groups_of, slots_of
from plugnas.space.host.host import Host
from plugnas.space.host.match import matching
from plugnas.space.host.names import NOTHING, parse
from plugnas.space.host.parts import HOST, host_part, plug_part
from plugnas.space.host.plugging import plug_in
from plugnas.space.host.plugs import Placement, Start
from plugnas.space.host.records import HostTrace, Map
from plugnas.space.host.source import HostSource
from plugnas.space.merging import Merge, Merging
from plugnas.space.network import Part
from plugnas.space.options import Option
from plugnas.space.parameter import Parameter, Token
from plugnas.space.parts import choice_at
from plugnas.space.slots import Position, Refusing, slot_parameters

Values = Mapping[str, Token]


class HostBlueprint:
    """The compiled space of a host; raises SpaceError where the section contradicts itself.

    Args:
        config: the job's ``space:`` section, with ``host`` and ``sites``.
        trace: the host as traced.
        classes: how many classes the network tells apart.
        host: the host at work; None where the space is read from a record, without its code.
        also: name of a site's parameter -> what it offers beside what the job names.
    """

    def __init__(
        self,
        config: SpaceConfig,
        trace: HostTrace,
        classes: int,
        host: Host | None = None,
        also: Mapping[str, Option] | None = None,
    ) -> None:
        self.config, self.trace, self.classes, self.host = config, trace, classes, host
        self.start: Start = config.start
        self.groups = tuple(g.offering((also or {}).get(g.name)) for g in groups_of(config, trace))
        self.parameters = tuple(self._parameters())
        self._index = {p.name: j for j, p in enumerate(self.parameters)}
        self.positions = tuple(self._positions())
        self.merges = tuple(m for group in self.groups for m in self._merges(group))
        self.rules = tuple(rule for group in self.groups for rule in self._rules(group))

    @classmethod
    def of(
        cls,
        config: SpaceConfig,
        input_shape: Map,
        classes: int,
        base: Path,
        trace: HostTrace | None = None,
    ) -> HostBlueprint:
        """Compile the space of a job's host: built, loaded and traced, or from a record.

        Args:
            config: the job's ``space:`` section.
            input_shape: (C, H, W) of the images.
            classes: how many classes the network tells apart.
            base: the folder in which the paths of the host's file and weights begin.
            trace: the host's record, with which no code of the host runs.

        Raises:
            SpaceError: whatever is wrong with the host or with the sites.
        """
        source = source_of(check_host(config), base)
        if trace is not None:
            return cls(config, trace, classes)
        host = Host.load(source, input_shape, classes)
        return cls(config, host.trace, classes, host)

    def offering(self, also: Mapping[str, Option]) -> HostBlueprint:
        """Return the same host where some sites, by their parameters' names, offer one more."""
        return HostBlueprint(self.config, self.trace, self.classes, self.host, also)

    # --- parameters -----------------------------------------------------------------------------

    def _parameters(self) -> Iterator[Parameter]:
        yield Parameter(HOST, (f"{self.trace.name} {self.trace.digest}",), slot=HOST)
        size = "x".join(map(str, self.trace.input_shape))
        yield Parameter("input", (size,), slot="input")
        yield Parameter("classes", (self.classes,), slot="classes")
        yield Parameter("start", (self.start,), slot="start")
        for group in self.groups:
            yield from slot_parameters(group.slot, group.name)

    def _positions(self) -> Iterator[Position]:
        facts = tuple(self._index[name] for name in (HOST, "input", "classes", "start"))
        yield Position(HOST, facts)
        paths = {site.path for group in self.groups for site in group.sites}
        for site in self.trace.sites:
            if site.path in paths:
                here = [g.name for g in self.groups if site in g.sites]
                below = tuple(f"{name}." for name in here)
                columns = [
                    j
                    for j, p in enumerate(self.parameters)
                    if p.name in here or p.name.startswith(below)
                ]
                yield Position(site.path, (*facts, *columns))

    # --- refusals -------------------------------------------------------------------------------

    def _rules(self, group: Group) -> Iterator[Rule]:
        refusing = Refusing(self.parameters, self._index, group.name, group.refusal)
        return refusing.rules(group.slot.options, f"`{group.name}`", "another site")

    def _merges(self, group: Group) -> Iterator[Merge]:
        where, slot = group.where, group.holder.slot
        merging = Merging(self.parameters, self._index, group.name, slot, lambda _: where)
        yield from merging.merges(group.slot.options)

    def count(self) -> int:
        """Return the exact number of architectures: the groups choose freely."""
        return math.prod(len(group.networks()) for group in self.groups)

    # --- networks -------------------------------------------------------------------------------

    def parts(self, values: Values) -> tuple[Part, ...]:
        """Return the host as one part and what is plugged in at each path, in order."""
        found = [self.part_at(position.name, values) for position in self.positions]
        return tuple(part for part in found if part is not None)

    def part_at(self, position: str, values: Values) -> Part | None:
        """Return the part at a position, or None where the host is as it was."""
        if position == HOST:
            return self.host_part()
        placements = tuple(
            p for p in self.placements(values, group_only=position) if p.path == position
        )
        if not placements:
            return None
        return plug_part(self.trace.by_path[position], placements, self.start, self.host)

    def host_part(self) -> Part:
        """Return the unplugged host as a part."""
        name, digest, shape = self.trace.name, self.trace.digest, self.trace.input_shape
        return host_part(self.host, name, digest, self.classes, shape)

    def placements(self, values: Values, group_only: str | None = None) -> list[Placement]:
        """Return what stands where; ``group_only`` looks at the groups of one path alone."""
        found = []
        for group in self.groups:
            paths = [site.path for site in group.sites]
            if values.get(group.name) is None or (group_only and group_only not in paths):
                continue
            if values[group.name] in NOTHING:
                continue
            choice = choice_at(group.name, values)
            found += [Placement(group.holder.how, p, group.holder.slot, choice) for p in paths]
        return found

    def build(self, values: Values) -> nn.Module:
        """Return the plugged host.

        Raises:
            HostError: the space was read from a record, without the host's code.
            RefusedError: a module refuses its site.
        """
        network = self._at_work().network()
        return plug_in(network, self.trace, self.placements(values), self.start)

    def _at_work(self) -> Host:
        if self.host is None:
            raise HostError(
                f"this space was read from the record of a run; building needs the code of its "
                f"host {self.trace.name}"
            )
        return self.host

    def builder(self) -> HostBuilder:
        """Return what builds these networks in another process.

        Raises:
            HostError: the space was read from a record, without the host's code.
        """
        return HostBuilder(self._at_work(), self.start)

    def unchanged(self) -> dict[str, Token] | None:
        """Return the values of the host as it is, or None where some site always plugs."""
        values: dict[str, Token] = {p.name: p.choices[0] for p in self.parameters[:4]}
        for group in self.groups:
            nothing = [o.entry.key for o in group.slot.options if o.entry.key in NOTHING]
            if not nothing:
                return None
            values[group.name] = nothing[0]
        return values


def placements_of(values: Values, trace: HostTrace) -> list[Placement]:
    """Return what stands where from values and traced sites alone, without the job.

    Raises:
        SpaceError: a value that names no module or setting.
    """
    found = []
    for name, value in values.items():
        holder = parse(name)
        paths = matching(holder.where, trace.by_path) if holder else []
        if holder is None or not paths or value in NOTHING:
            continue
        choice = choice_at(name, values)
        found += [
            Placement(holder.how, path, holder.slot, choice)
            for path in paths
            if holder.slot in slots_of(trace.by_path[path], holder.how)
        ]
    return found


@dataclass(frozen=True)
class HostBuilder:
    """Builds the plugged host of an architecture: what a worker gets, and all that it needs."""

    host: Host
    start: Start

    def __call__(self, architecture: Architecture) -> nn.Module:
        """Return the plugged host.

        Raises:
            HostError: the host cannot be built here. RefusedError: a module refuses its site.
        """
        found = placements_of(architecture.values, self.host.trace)
        return plug_in(self.host.network(), self.host.trace, found, self.start)


def source_of(config: HostConfig, base: Path) -> HostSource:
    """Return where a job's host comes from."""
    named = config.classifier
    paths = (named,) if isinstance(named, str) else None if named is None else tuple(named)
    return HostSource(config.model, dict(config.arguments), config.weights, base, paths)
