"""Two settings are one network at a site exactly where the declaration says so.

Built networks are compared: what their state is made of, and what they compute under equal weights.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

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


def _outputs(case: Case, site: Site) -> Iterator[Tensor]:
    """The outputs under weights that depend on the state and the draw alone."""
    module = case.build(site).eval()
    args = case.inputs(site, 2)
    for draw in range(DRAWS):
        generator = torch.Generator().manual_seed(draw)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                centre = float(parameter.dim() == 1 and name.endswith("weight"))
                parameter.copy_(centre + 0.4 * torch.randn(parameter.shape, generator=generator))
            y = case.run(module, site, args)
        yield y  # outside of no_grad, which a generator would leave on in who reads it


def _alike(a: Case, b: Case, site: Site) -> bool:
    for y, z in zip(_outputs(a, site), _outputs(b, site), strict=True):
        scale = max(1.0, float(y.abs().max()))
        if y.shape != z.shape or not torch.allclose(y, z, rtol=1e-5, atol=1e-6 * scale):
            return False
    return True


def _canonical(case: Case, site: Site) -> tuple:
    return tuple(case.entry.canonical(site, case.setting).items())


def _differences(entry: Entry, site: Site) -> Iterator[str]:
    buckets = defaultdict(list)
    for setting in entry.settings():
        case = Case(entry, setting)
        if entry.refusal(site, setting) is None:
            buckets[_parts(case, site)].append(case)
    homes: dict[tuple, tuple] = {}
    for parts, found in buckets.items():
        groups: list[Case] = []  # one of each network
        for case in found:
            assert homes.setdefault(_canonical(case, site), parts) == parts, case.name
            first = next((g for g in groups if _canonical(g, site) == _canonical(case, site)), None)
            if first is not None:
                if not _alike(first, case, site):
                    yield f"{case.name} and {first.name} are said to be one network, but differ"
                continue
            for other in groups:
                if _alike(other, case, site):
                    yield f"{case.name} and {other.name} are one network; declare it in `same`"
            groups.append(case)


@pytest.mark.parametrize("entry", ENTRIES, ids=[e.key for e in ENTRIES])
def test_one_network_is_one_canonical_setting(entry):
    found = {
        f"at {site}: {line}"
        for site in SITES.get(entry.slot, MAPS)
        for line in _differences(entry, site)
    }
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
                    assert _alike(Case(entry, setting), Case(entry, first), site), setting
                    break  # one pair per choice: all go the same way
