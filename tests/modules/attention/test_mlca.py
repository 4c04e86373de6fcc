"""Mixed local channel attention against loops over places and channels."""

import math

import pytest
import torch

from plugnas.modules.attention.mlca import MixedLocalChannelAttention
from tests.modules.generic import generic, rand, same


def _cells(size, parts):
    """First and end of each part of adaptive pooling."""
    return [(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]


def _pool(x, height, width):
    rows = [
        torch.stack([x[:, a:b, c:d].mean((1, 2)) for c, d in _cells(x.shape[2], width)], dim=1)
        for a, b in _cells(x.shape[1], height)
    ]
    return torch.stack(rows, dim=1)


def _taps(values, weight):
    """Taps along the channels, zeros beyond the first and the last."""
    weight = weight.flatten()
    y = torch.zeros_like(values)
    for c in range(len(values)):
        for t in range(len(weight)):
            source = c + t - len(weight) // 2
            if 0 <= source < len(values):
                y[c] += weight[t] * values[source]
    return y


@pytest.mark.parametrize(("height", "width"), [(10, 15), (7, 9), (3, 2)])
def test_equals_the_formula(height, width):
    module = generic(MixedLocalChannelAttention(16, grid=5))
    x = rand(16, height, width)
    places = _pool(x, 5, 5)
    whole = torch.sigmoid(_taps(places.mean((1, 2)), module.whole.weight))
    gate = torch.zeros_like(places)
    for i in range(5):
        for j in range(5):
            local = torch.sigmoid(_taps(places[:, i, j], module.local.weight))
            gate[:, i, j] = 0.5 * local + 0.5 * whole
    same(module(x[None])[0], x * _pool(gate, height, width))


@pytest.mark.parametrize(("channels", "k"), [(16, 3), (64, 3), (128, 5), (512, 5), (1024, 5)])
def test_the_kernel_is_that_of_eca(channels, k):
    assert MixedLocalChannelAttention(channels).local.kernel_size == (k, 1)
    t = int(abs((math.log2(channels) + 1) / 2))
    assert k == t + (t + 1) % 2


def test_where_the_grid_divides_the_map_each_place_has_one_gate():
    module = generic(MixedLocalChannelAttention(4, grid=3))
    gates = module(torch.ones(1, 4, 6, 9, dtype=torch.float64) + rand(1, 4, 6, 9)) / (
        1 + rand(1, 4, 6, 9)
    )
    blocks = gates.unflatten(3, (3, 3)).unflatten(2, (3, 2))  # (1, C, 3, 2, 3, 3)
    same(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))
