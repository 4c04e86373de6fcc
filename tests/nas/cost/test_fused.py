"""Fusing makes nothing dearer: the deploy form of every key costs no more than the module."""

from __future__ import annotations

import itertools

import pytest
import torch

from plugnas import modules
from plugnas.modules import Site
from plugnas.nas.cost import Counts, count

SITES = (Site(16, 7, 9, 2, 24), Site(16, 8, 8, 1, 16))
ENTRIES = modules.entries()
# A module with a form of its own is tried in every setting, the others in one.
TRIED = {e.key: None if e.has_deploy_form else 1 for e in ENTRIES}


def _counts(entry: modules.Entry, setting: dict, site: Site) -> tuple[Counts, Counts]:
    slot = entry.contract
    with torch.device("meta"):
        module = entry.build(site, setting)
        inputs, keywords = slot.inputs(site, 1), slot.keywords(site)
        return count(module, *inputs, **keywords), count(modules.fuse(module), *inputs, **keywords)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.key for entry in ENTRIES])
def test_no_cost_rises(entry):
    settings = list(itertools.islice(entry.settings(), TRIED[entry.key]))
    sites = SITES if entry.slot in ("operator", "transform") else SITES[1:]
    for site, setting in itertools.product(sites, settings):
        if entry.refusal(site, setting) is not None:
            continue
        before, after = _counts(entry, setting, site)
        for cost in ("params", "macs", "elementwise", "memory"):
            assert getattr(after, cost) <= getattr(before, cost), (cost, setting, site)


def test_het_conv_keeps_its_advantage():
    """At 64x32x32 one dense kernel would take 75.5 MFLOPs."""
    before, after = _counts(modules.get("het_conv"), {}, Site(64, 32, 32))
    assert before.flops == after.flops == 2 * 32 * 32 * 64 * (64 // 4 * 9 + 64)
