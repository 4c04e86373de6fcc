"""Every module of the zoo in other people's networks: with the gate at 0 no output changes a bit.

In the quick walk each key stands once in each host, many keys in one network; the slow walk puts
each key at one legal site of every map size that the host has, for that is all that a module knows
of a site.
"""

from __future__ import annotations

import copy

import pytest
import torch

from plugnas import modules
from plugnas.space import adapters
from plugnas.space.host import Placement, trace, why_lost
from plugnas.space.host.plugging import plug_in
from plugnas.space.host.plugs import site_of
from plugnas.space.host.source import HostSource
from plugnas.space.options import Choice

SHAPE = (3, 32, 32)
HOSTS = {
    "resnet20": None,
    "resnet18": {"num_classes": 5},
    "mobilenet_v3_small": {"num_classes": 5},
    "convnext_tiny": {"num_classes": 5},
    "deeplabv3_mobilenet_v3_large": {"num_classes": 3},
    "fcos_resnet50_fpn": {"num_classes": 3, "min_size": 32, "max_size": 32, "score_thresh": 0.0},
}
QUICK = ("resnet20", "mobilenet_v3_small")
# A key and the slot in which it follows a map.
AFTER = [
    (entry, slot)
    for entry in modules.entries()
    for slot in ("attention", "operator")
    if adapters.fits(entry, slot)
]
AFTER = list({entry.key: (entry, slot) for entry, slot in reversed(AFTER)}.values())
CHUNK = 24
AT_ONCE = 6  # on maps of 768 channels one plug may take half a gigabyte
MOST = 2e8  # weights: on maps of 2,048 channels `hrnet` has 2e9, which nobody plugs


class Walked:
    """A host with its trace, its input and what it makes of it."""

    def __init__(self, name, networks):
        self.name = name
        torch.manual_seed(0)
        if name == "resnet20":
            model = networks.ResNet20(5)
        else:
            model = HostSource(f"torchvision.models:{name}", HOSTS[name]).build()
        self.model = networks.settled(model)
        self.trace = trace(self.model, SHAPE)
        self.images = torch.rand(2, *SHAPE)
        self.before = self.outputs(self.model)

    @torch.no_grad()
    def outputs(self, model):
        output = model(self.images)
        if isinstance(output, torch.Tensor):
            return [output]
        parts = [output] if isinstance(output, dict) else output
        return [tensor for part in parts for tensor in part.values()]

    def legal(self, entry, slot):
        for site in self.trace.sites:
            placement = Placement("after", site.path, slot, Choice(entry.key))
            if slot in site.after:
                here = site_of(placement, site)
                if adapters.refusal(entry, slot, here, {}) is None:
                    yield placement

    def plugged(self, placements):
        torch.manual_seed(0)
        return plug_in(copy.deepcopy(self.model), self.trace, placements)

    def same(self, placements):
        after = self.outputs(self.plugged(placements))
        return all(torch.equal(a, b) for a, b in zip(after, self.before, strict=True))


def quick(name):
    return name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=[quick(name) for name in HOSTS])
def walked(request, networks):
    return Walked(request.param, networks)


def spread(walked):
    """One placement per key, each at a site that no other key of its chunk has."""
    taken, chunk = set(), []
    for number, (entry, slot) in enumerate(AFTER):
        legal = list(walked.legal(entry, slot))
        start = 7 * number % max(len(legal), 1)
        free = [p for p in (*legal[start:], *legal[:start]) if (p.path, p.slot) not in taken]
        if not legal:
            continue
        chunk.append(free[0])
        taken.add((free[0].path, free[0].slot))
        if len(chunk) == CHUNK:
            yield chunk
            taken, chunk = set(), []
    yield chunk


def test_every_key_changes_nothing(walked):
    wrong, count = [], 0
    for chunk in spread(walked):
        count += len(chunk)
        if not walked.same(chunk):
            wrong += [p.text for p in chunk if not walked.same([p])]
    assert wrong == []
    assert count >= 0.95 * len(AFTER)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(16))
def test_every_key_changes_nothing_at_every_size_of_map(part, walked):
    placed = [p for entry, slot in AFTER[part::16] for p in one_of_each_size(walked, entry, slot)]
    wrong = []
    for first in range(0, len(placed), AT_ONCE):
        chunk = placed[first : first + AT_ONCE]
        wrong += [] if walked.same(chunk) else [p.text for p in chunk if not walked.same([p])]
    assert wrong == []


def one_of_each_size(walked, entry, slot):
    sizes = {walked.trace.by_path[p.path].map_out: p for p in walked.legal(entry, slot)}
    return [p for p in sizes.values() if weights(walked, entry, p) <= MOST]


def weights(walked, entry, placement):
    site = site_of(placement, walked.trace.by_path[placement.path])
    with torch.device("meta"):
        return sum(p.numel() for p in entry.build(site).parameters())


def test_every_activation_changes_nothing(walked):
    sites = [s for s in walked.trace.sites if "activation" in s.replace]
    assert sites or walked.trace.by_path.get("features") is not None
    for entry in modules.entries("activation"):
        choice = Choice(entry.key)
        learns = "channels" in entry.cls.__init__.__code__.co_varnames
        placed = [
            Placement("replace", s.path, "activation", choice)
            for s in sites
            if s.one_width or not learns
        ]
        assert walked.same(placed), entry.key


def test_operators_that_adopt_change_nothing(walked):
    """In float64, since they may add in another order."""
    host = Walked.__new__(Walked)
    host.model, host.trace = copy.deepcopy(walked.model).double(), walked.trace
    host.images = walked.images.double()
    host.before = host.outputs(host.model)
    convs = [s for s in walked.trace.sites if "operator" in s.replace]
    adopting = 0
    for number, entry in enumerate(modules.entries("operator")):
        for site in (*convs[number % 5 :: 5], *convs):
            placement = Placement("replace", site.path, "operator", Choice(entry.key))
            refused = adapters.refusal(entry, "operator", site_of(placement, site), {})
            if refused is None and why_lost(placement, site) is None:
                adopting += 1
                after = host.outputs(host.plugged([placement]))
                for a, b in zip(after, host.before, strict=True):
                    # the boxes of a detector come from anchors in float32
                    near = 1e-5 if "fcos" in walked.name else 1e-12 * max(1, float(b.abs().max()))
                    torch.testing.assert_close(
                        a, b, atol=near, rtol=near, msg=lambda m, p=placement: f"{p.text}: {m}"
                    )
                break
    assert adopting >= 5 or not any(s.conv.groups == 1 and s.conv.padding != (0, 0) for s in convs)
