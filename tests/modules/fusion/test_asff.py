"""ASFF against the softmax of each pixel, for two and three maps."""

import pytest
import torch

from plugnas.modules.fusion.asff import AdaptivelySpatialFusion
from tests.modules.generic import batch_norm, generic, pointwise, rand, same


def _logits(m, maps, hidden):
    if not hidden:
        reads = zip(m.read, maps, strict=True)
        return torch.cat([pointwise(x, r.weight, r.bias) for r, x in reads], dim=1)
    seen = []
    for (conv, norm, _), x in zip(m.read, maps, strict=True):
        z = batch_norm(pointwise(x, conv.weight), norm)
        seen.append(torch.where(z > 0, z, 0.1 * z))
    return pointwise(torch.cat(seen, dim=1), m.compare.weight, m.compare.bias)


@torch.no_grad()
@pytest.mark.parametrize(("hidden", "count"), [(16, 2), (8, 3), (0, 2), (0, 4)])
def test_equals_a_softmax_per_pixel(hidden, count):
    m = generic(AdaptivelySpatialFusion(5, hidden_channels=hidden, inputs=count))
    maps = [rand(2, 5, 4, 3, seed=n) for n in range(count)]
    logits = _logits(m, maps, hidden)
    y = m(*maps)
    for i in range(4):
        for j in range(3):
            weights = logits[:, :, i, j].exp()
            weights = weights / weights.sum(1, keepdim=True)
            total = sum(weights[:, n, None] * maps[n][:, :, i, j] for n in range(count))
            same(y[:, :, i, j], total)


@torch.no_grad()
def test_coarser_maps_are_repeated():
    m = generic(AdaptivelySpatialFusion(5, inputs=3))
    x, y, z = rand(2, 5, 4, 8), rand(2, 5, 2, 4, seed=2), rand(2, 5, 1, 2, seed=3)
    large = [y.repeat_interleave(2, 2).repeat_interleave(2, 3)]
    large.append(z.repeat_interleave(4, 2).repeat_interleave(4, 3))
    same(m(x, y, z), m(x, *large))
    same(m(x, x, x), x)  # shares sum to 1


def test_another_number_of_maps_is_an_error():
    with pytest.raises(ValueError, match="built for 3 maps, but got 2"):
        AdaptivelySpatialFusion(4, inputs=3)(*torch.zeros(2, 1, 4, 2, 2))
