"""Adapters do what they say: tokens, scans, boxes, projections; and every key has a home."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import SearchSpace, adapters


def test_tokens_are_the_pixels_row_by_row():
    class Swap(nn.Module):
        def forward(self, tokens, *, size):
            assert size == (2, 3)
            return tokens.flip(1)

    x = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert torch.equal(adapters.Tokens(Swap())(x), x.flip(2, 3))


def test_scan_is_the_mean_of_rows_and_columns():
    class Sum(nn.Module):
        def forward(self, x):
            return x.cumsum(-1)

    x = torch.randn(2, 3, 4, 5)
    expected = (x.cumsum(3) + x.cumsum(2)) / 2
    torch.testing.assert_close(adapters.Scan(Sum(), Sum())(x), expected)


def test_boxes_surround_every_position():
    class Record(nn.Module):
        def forward(self, feature, boxes):
            self.boxes = boxes
            return feature.unflatten(1, (4, -1)).flatten(3).permute(0, 2, 3, 1)

    adapter = adapters.Boxes(2, Record())
    x = torch.randn(1, 2, 3, 4)
    y = adapter(x)
    assert adapter.region.boxes.shape == (1, 12, 4)
    assert adapter.region.boxes[0, 5].tolist() == [0.0, 0.0, 2.0, 2.0]  # around row 1, column 1
    expected = x + adapter.merge(adapter.borders(x))  # the stand-in gives each border back
    torch.testing.assert_close(y, expected)


def test_projection_pools_by_the_stride_then_mixes_channels():
    operator = adapters.Projected(3, 5, 2, nn.Identity())
    x = torch.randn(2, 3, 5, 7)
    pooled = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    expected = torch.einsum("oi,bihw->bohw", operator[1].weight[:, :, 0, 0], pooled)
    torch.testing.assert_close(operator(x), expected)
    assert operator(x).shape == (2, 5, 3, 4)


def test_refusals_pass_through_the_adapters():
    for entry in modules.entries():
        for slot in adapters.HOMES:
            if adapters.fits(entry, slot):
                site = Site(12, 5, 3, 2, 10) if slot == "operator" else Site(12, 5, 3)
                reason = adapters.refusal(entry, slot, site, {})
                if reason is None:
                    adapters.build(entry, slot, site, {})
                else:
                    with pytest.raises(modules.PlugnasError):
                        adapters.build(entry, slot, site, {})


HOMES = [
    (entry.key, slot)
    for entry in modules.entries()
    for slot in adapters.HOMES
    if adapters.selected_by_all(entry, slot)
]


def test_every_module_has_a_home_that_all_selects():
    searched = {entry.key for entry in modules.entries() if entry.family != "control"}
    assert {key for key, _ in HOMES} == searched


@pytest.mark.parametrize(("key", "slot"), HOMES)
def test_every_module_trains_in_a_network(key, slot):
    job = {"stem": {"width": 8}, "stages": [{"width": 8}, {"width": 16, "stride": 2}]}
    if slot in ("context", "pooling"):
        job[slot] = [key]
    elif slot != "upsampling":  # stands in no classifier: here before the head
        job["slots"] = {slot: [key]}
    space = SearchSpace.from_config(job, (1, 8, 8), 10)
    torch.manual_seed(0)
    network = space.build(space.sample(np.random.default_rng(0)))
    if slot == "upsampling":
        network.context = modules.get(key).build(Site(16, 4, 4))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 10, (8,))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
    changed = [name for name, p in network.named_parameters() if not torch.equal(p, before[name])]
    assert any(name.startswith("stem") for name in changed)
    network.eval()
    fused = modules.fuse(network)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), network(x), rtol=1e-3, atol=1e-4)
