"""Content-guided fusion against its formula, tap by tap, borders mirrored by hand."""

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.fusion.cga_fusion import ContentGuidedFusion, _folded
from tests.modules.generic import generic, pointwise, rand, same


def _seven(x, weight, bias):
    """Depthwise-multiplier 7 x 7 on a map continued by torch's own reflection."""
    channels = weight.shape[1]
    padded = F.pad(x, [3] * 4, mode="reflect")
    y = bias[:, None, None].expand(x.shape[0], -1, *x.shape[2:]).clone()
    for o in range(weight.shape[0]):
        for c in range(channels):
            for i in range(7):
                for j in range(7):
                    window = padded[:, o * channels + c, i : i + x.shape[2], j : j + x.shape[3]]
                    y[:, o] += weight[o, c, i, j] * window
    return y


@torch.no_grad()
@pytest.mark.parametrize("reduction", [2, 16])
def test_equals_the_formula(reduction):
    m = generic(ContentGuidedFusion(4, reduction=reduction))
    x, y = rand(2, 4, 5, 4), rand(2, 4, 5, 4, seed=2)
    z = x + y
    spatial = _seven(torch.stack([z.mean(1), z.max(1).values], 1), m.spatial.weight, m.spatial.bias)
    squeeze, _, excite = m.channel
    assert squeeze.out_channels == max(1, 4 // reduction)
    means = z.sum((2, 3), keepdim=True) / 20
    channel = pointwise(
        pointwise(means, squeeze.weight, squeeze.bias).clamp(min=0), excite.weight, excite.bias
    )
    pairs = torch.zeros(2, 8, 5, 4, dtype=x.dtype)
    pairs[:, 0::2], pairs[:, 1::2] = z, spatial + channel
    share = _seven(pairs, m.pixel.weight, m.pixel.bias).sigmoid().sigmoid()
    out = pointwise(z + share * x + (1 - share) * y, m.project.weight, m.project.bias)
    same(m(x, y), out)
    coarse = rand(2, 4, 3, 2, seed=3)
    same(m(x, coarse), m(x, F.interpolate(coarse, size=(5, 4), mode="bilinear")))


def test_small_maps_are_mirrored_as_often_as_needed():
    assert _folded(1) == [0] * 7
    assert _folded(2) == [1, 0, 1, 0, 1, 0, 1, 0]
    assert _folded(3) == [1, 2, 1, 0, 1, 2, 1, 0, 1]
    line = torch.arange(5.0)[None, None]
    assert line[0, 0, _folded(5)].tolist() == F.pad(line, (3, 3), mode="reflect")[0, 0].tolist()


def test_one_network_under_several_reductions():
    entry = modules.get("cga_fusion")
    assert entry.canonical(modules.Site(12, 8, 8), {"reduction": 16})["reduction"] == 8
    assert entry.canonical(modules.Site(32, 8, 8), {"reduction": 16})["reduction"] == 16


@torch.no_grad()
def test_a_constant_map_shows_no_border():
    m = generic(ContentGuidedFusion(4))
    for size in ((1, 1), (2, 3), (3, 8)):
        x = torch.full((1, 4, *size), 0.7, dtype=torch.float64)
        y = m(x, 2 * x)
        same(y, y[..., :1, :1].expand_as(y))
