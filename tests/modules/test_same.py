"""Two settings are one network at a site exactly where the declaration says so.

Built networks are compared: what their state is made of, and what they compute under equal weights.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

import pytest
import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Entry, Site
from plugnas.modules.testing import Case

ENTRIES = [entry for entry in modules.entries() if entry.choices]

# Narrow and small, where widths, groups and windows are clamped; odd; wide, where few are.
MAPS = [Site(8, 4, 4), Site(24, 7, 9), Site(64, 9, 8)]
OPERATORS = [Site(8, 4, 4, 1, 8), Site(16, 7, 9, 2, 24), Site(64, 9, 8, 1, 64)]
SEQUENCES = [Site(8, 1, 4), Site(24, 1, 9), Site(64, 1, 37)]
SITES = {"operator": OPERATORS, "transform": OPERATORS, "sequence": SEQUENCES}
DRAWS = 4


def _parts(case: Case, site: Site) -> tuple:
    """What the state is made of."""
    with torch.device("meta"):
        module = case.build(site)
    return tuple((name, tuple(value.shape)) for name, value in module.state_dict().items())


class _Network:
    """A case at a site with its outputs, each made once, however many it is compared with."""

    def __init__(self, case: Case, site: Site) -> None:
        self.case, self.site = case, site
        self.name = case.name
        self.canonical = tuple(case.entry.canonical(site, case.setting).items())
        self._outputs: list[Tensor] = []

    @cached_property
    def _module(self) -> nn.Module:
        return self.case.build(self.site).eval()

    @torch.no_grad()
    def output(self, draw: int) -> Tensor:
        """The output under weights that depend on the state and the draw alone."""
        while len(self._outputs) <= draw:
            generator = torch.Generator().manual_seed(len(self._outputs))
            for name, parameter in self._module.named_parameters():
                centre = float(parameter.dim() == 1 and name.endswith("weight"))
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise.mul_(0.4).add_(centre))
            args = self.case.inputs(self.site, 2)
            self._outputs.append(self.case.run(self._module, self.site, args))
        return self._outputs[draw]


def _alike(a: _Network, b: _Network) -> bool:
    for draw in range(DRAWS):
        y, z = a.output(draw), b.output(draw)
        scale = max(1.0, float(y.abs().max()))
        if y.shape != z.shape or not torch.allclose(y, z, rtol=1e-5, atol=1e-6 * scale):
            return False
    return True


def _differences(entry: Entry, site: Site) -> Iterator[str]:
    buckets = defaultdict(list)
    for setting in entry.settings():
        case = Case(entry, setting)
        if entry.refusal(site, setting) is None:
            buckets[_parts(case, site)].append(_Network(case, site))
    homes: dict[tuple, tuple] = {}
    for parts, found in buckets.items():
        groups: list[_Network] = []  # one of each network
        for network in found:
            assert homes.setdefault(network.canonical, parts) == parts, network.name
            first = next((g for g in groups if g.canonical == network.canonical), None)
            if first is not None:
                if not _alike(first, network):
                    yield f"{network.name} and {first.name} are said to be one, but differ"
                continue
            for other in groups:
                if _alike(other, network):
                    yield f"{network.name} and {other.name} are one network; declare it in `same`"
            groups.append(network)


@pytest.mark.parametrize("entry", ENTRIES, ids=[e.key for e in ENTRIES])
@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_one_network_is_one_canonical_setting(entry, number):
    """On the narrow map most settings are clamped to one another; the others are slow."""
    site = SITES.get(entry.slot, MAPS)[number]
    found = {f"at {site}: {line}" for line in _differences(entry, site)}
    assert not found, f"{len(found)} differences, such as {sorted(found)[:5]}"


def test_what_is_declared_idle_changes_nothing():
    for entry in ENTRIES:
        site = SITES.get(entry.slot, MAPS)[0]
        for name in entry.only_with:
            for values in itertools.product(*entry.choices.values()):
                setting = dict(zip(entry.choices, values, strict=True))
                first = {**setting, name: entry.choices[name][0]}
                if entry.matters(name, setting) or setting == first:
                    continue
                if entry.refusal(site, setting) is None:
                    pair = (_Network(Case(entry, values), site) for values in (setting, first))
                    assert _alike(*pair), setting
                    break  # one pair per choice: all go the same way
