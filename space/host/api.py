"""Plugging from Python, without any search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from plugnas import modules
from plugnas.modules import Entry
from plugnas.space import adapters
from plugnas.space.host.errors import HostError
from plugnas.space.host.match import matching, unmatched
from plugnas.space.host.plugging import plug_in
from plugnas.space.host.plugs import Placement, Start, site_of
from plugnas.space.host.records import HostSite, HostTrace, Map
from plugnas.space.host.trace import trace
from plugnas.space.options import Choice

Wanted = str | tuple[str, Mapping[str, Any]]


def sites(model: nn.Module, input_shape: Map) -> HostTrace:
    """Return where something can be plugged into a network, and why not elsewhere.

    Args:
        model: any network that takes images (B, C, H, W); it is not changed.
        input_shape: (C, H, W) of an image.

    Raises:
        HostError: the network does not run on such images, or returns a map nowhere.
    """
    return trace(model, input_shape, name=type(model).__name__)


def plug(
    model: nn.Module,
    plugs: Mapping[str, Wanted | Sequence[Wanted]],
    *,
    input_shape: Map,
    start: Start = "identity",
) -> nn.Module:
    """Plug modules of the zoo into a network, in place, and return it.

    ``plug(model, {"layer3": "cbam", "layer4.*.bn2": ("se", {"reduction": 8})}, ...)``: an operator
    named for a convolution takes its place, as an activation that of an activation; every other
    module comes after the submodule. Every key of the network keeps its name.

    Args:
        model: any network that takes images (B, C, H, W); its weights are there already.
        plugs: path, or pattern of paths -> a key of the zoo, or (key, setting); a list plugs
            several, one after the other.
        input_shape: (C, H, W) of an image.
        start: ``identity``: y = x + g (m(x) - x) with g = 0, so that no output changes until g is
            trained; ``plain``: y = m(x) at once.

    Raises:
        HostError: a pattern that matches nothing, or a module that does not fit there.
        RefusedError: a module refuses its site. UnknownModuleError: no such module or setting.
    """
    if start not in ("identity", "plain"):
        raise HostError(f"start must be `identity` or `plain`, but got {start!r}")
    found = sites(model, input_shape)
    placements = [
        placement
        for pattern, wanted in plugs.items()
        for one in (wanted if isinstance(wanted, list) else [wanted])
        for placement in _placements(found, pattern, one)
    ]
    _refuse(found, placements)
    return plug_in(model, found, placements, start)


def _placements(found: HostTrace, pattern: str, wanted: Any) -> list[Placement]:
    key, setting = wanted if isinstance(wanted, tuple) else (wanted, {})
    entry = modules.get(str(key))
    entry.complete(setting)
    choice = Choice(entry.key, tuple(setting.items()))
    paths = matching(pattern, found.by_path)
    if not paths:
        raise HostError(unmatched(found, pattern))
    return [_placement(found.by_path[path], entry, choice) for path in paths]


def _placement(site: HostSite, entry: Entry, choice: Choice) -> Placement:
    for slot in site.replace:
        if slot in entry.slots:
            return Placement("replace", site.path, slot, choice)
    for slot in ("attention", "context", "operator"):
        if slot in site.after and adapters.fits(entry, slot):
            return Placement("after", site.path, slot, choice)
    reason = next(iter(site.why_not.values()), "") or f"takes {', '.join(site.replace)} alone"
    raise HostError(f"`{entry.key}` ({entry.slot}) cannot stand at `{site.path}`: it {reason}")


def _refuse(found: HostTrace, placements: list[Placement]) -> None:
    """Look for refusals before anything is changed, so that a network is plugged whole or not."""
    for placement in placements:
        entry = modules.get(placement.choice.key)
        site = site_of(placement, found.by_path[placement.path])
        setting = dict(placement.choice.setting)
        if reason := adapters.refusal(entry, placement.slot, site, setting):
            raise modules.RefusedError(f"{placement.text}: {reason}")
