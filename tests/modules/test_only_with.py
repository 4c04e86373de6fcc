"""Two settings of a module are two networks, except where its declaration says they are one."""

from __future__ import annotations

import itertools

import pytest
import torch

from plugnas import modules
from plugnas.modules import Entry, Site
from tests.modules import conformance as c

ENTRIES = [entry for entry in modules.entries() if entry.choices]
IDS = [entry.key for entry in ENTRIES]

# Wide and large enough that no width, group or window is clamped; the second has odd sides, the
# third is tried only where the first two show no difference.
MAPS = [Site(64, 16, 16), Site(64, 17, 15), Site(512, 9, 11)]
SITES = {
    "operator": [Site(64, 16, 16, 1, 64), Site(64, 17, 15, 2, 64), Site(512, 9, 11, 1, 64)],
    "sequence": [Site(64, 1, 80), Site(64, 1, 37), Site(512, 1, 21)],
}
SITES["transform"] = SITES["operator"]


def _setting(entry: Entry, values: tuple) -> dict:
    return dict(zip(entry.choices, values, strict=True))


def _network(entry: Entry, setting: dict, site: Site) -> tuple:
    """What the state is made of, and the output under weights that depend on the state alone."""
    module = c.build_unchecked(entry, setting, site).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        y = module(*c.inputs(entry, site, 1), **c.keywords(entry, site))
    return [(name, value.shape) for name, value in module.state_dict().items()], y


def _equal(a: tuple, b: tuple) -> bool:
    (state, y), (other, z) = a, b
    return state == other and y.shape == z.shape and torch.allclose(y, z, rtol=1e-5, atol=1e-6)


def _sites(entry: Entry, *settings: dict) -> list[Site]:
    sites = SITES.get(entry.slot, MAPS)
    return [s for s in sites if not any(entry.refusal(s, setting) for setting in settings)]


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_settings_that_matter_change_the_network(entry):
    roomy = SITES.get(entry.slot, MAPS)[0]
    built = [
        (s, _network(entry, s, roomy)) for s in entry.settings() if not entry.refusal(roomy, s)
    ]
    for (a, first), (b, second) in itertools.combinations(built, 2):
        if _equal(first, second):
            assert not all(
                _equal(_network(entry, a, site), _network(entry, b, site))
                for site in _sites(entry, a, b)[1:]
            ), f"{entry.key}: {a} and {b} are one network; declare it in only_with"


@pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if e.only_with], ids=[e.key for e in ENTRIES if e.only_with]
)
def test_settings_declared_idle_change_nothing(entry):
    idle = 0
    for values in itertools.product(*entry.choices.values()):
        setting = _setting(entry, values)
        for name in entry.only_with:
            if entry.matters(name, setting) or setting[name] == entry.choices[name][0]:
                continue
            idle += 1
            same = {**setting, name: entry.choices[name][0]}
            for site in [*_sites(entry, setting)[:2], *c.sites(entry)]:
                first, second = _network(entry, setting, site), _network(entry, same, site)
                assert _equal(first, second), f"{setting}: `{name}` has an effect at {site}"
    assert idle
