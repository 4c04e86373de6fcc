"""Spatial and channel synergistic attention against loops over parts, windows and heads."""

import pytest
import torch

from plugnas.modules.attention.scsa import SpatialChannelSynergisticAttention
from tests.modules.generic import generic, rand, same


def _normed(part, norm, channels):
    """One group of a group norm: the channels of a slice and all else."""
    centred = part - part.mean()
    scaled = centred / ((centred**2).mean() + norm.eps) ** 0.5
    shape = (-1, *[1] * (part.dim() - 1))
    return scaled * norm.weight[channels].view(shape) + norm.bias[channels].view(shape)


def _line_gate(line, convs, norm):
    """(C, L) -> (C, L)."""
    width = line.shape[0] // len(convs)
    y = torch.zeros_like(line)
    for part, conv in enumerate(convs):
        for c in range(width):
            weight = conv.weight[c, 0]
            for at in range(line.shape[1]):
                y[part * width + c, at] = conv.bias[c]
                for t in range(len(weight)):
                    source = at + t - len(weight) // 2
                    if 0 <= source < line.shape[1]:
                        y[part * width + c, at] += weight[t] * line[part * width + c, source]
        channels = slice(part * width, (part + 1) * width)
        y[channels] = _normed(y[channels], norm, channels)
    return 1 / (1 + (-y).exp())


def _reference(module, x, heads, window):
    rows = _line_gate(x.mean(2), module.reaches, module.row_norm)
    columns = _line_gate(x.mean(1), module.reaches, module.column_norm)
    z = x * rows[:, :, None] * columns[:, None, :]
    means = [
        z[:, i : i + window, j : j + window].mean((1, 2))
        for i in range(0, z.shape[1], window)
        for j in range(0, z.shape[2], window)
    ]
    u = _normed(torch.stack(means, dim=1), module.norm, slice(None))  # (C, windows)
    q, k, v = (conv.weight.view(-1, 1) * u for conv in (module.query, module.key, module.value))
    d = x.shape[0] // heads
    gate = torch.zeros(x.shape[0], dtype=x.dtype)
    for h in range(heads):
        for c in range(h * d, (h + 1) * d):
            logits = torch.stack([q[c] @ k[e] / d**0.5 for e in range(h * d, (h + 1) * d)])
            gate[c] = (logits.softmax(0) @ v[h * d : (h + 1) * d]).mean()
    return z / (1 + (-gate).exp())[:, None, None]


@pytest.mark.parametrize(("heads", "window"), [(1, 3), (2, 3), (4, 7)])
@pytest.mark.parametrize(("height", "width"), [(6, 9), (7, 5)])
def test_equals_the_formula(heads, window, height, width):
    module = generic(SpatialChannelSynergisticAttention(8, heads=heads, window=window))
    assert [conv.kernel_size for conv in module.reaches] == [(3,), (5,), (7,), (9,)]
    x = rand(8, height, width)
    same(module(x[None])[0], _reference(module, x, heads, window))


def test_a_width_that_four_does_not_divide_has_fewer_parts():
    module = generic(SpatialChannelSynergisticAttention(6, heads=1))
    assert [conv.kernel_size for conv in module.reaches] == [(3,), (5,), (7,)]
    x = rand(6, 4, 5)
    same(module(x[None])[0], _reference(module, x, 1, 7))
