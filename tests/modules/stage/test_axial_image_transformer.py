"""The axial stack against torch's multi-head attention line by line, and written-out layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.modules.stage.axial_image_transformer import AxialImageTransformer
from tests.modules.generic import generic, rand, same


def normalised(x, norm):
    """Layer norm of (B, C, H, W) over the channels, written out."""
    mean = x.sum(1, keepdim=True) / x.shape[1]
    deviation = (((x - mean) ** 2).sum(1, keepdim=True) / x.shape[1] + 1e-5).sqrt()
    view = (1, -1, 1, 1)
    return (x - mean) / deviation * norm.weight.view(view) + norm.bias.view(view)


def attention(layer, x, heads, along):
    """torch's own attention, one line of the map at a time; along: "H" or "W"."""
    channels = x.shape[1]
    theirs = nn.MultiheadAttention(channels, heads, batch_first=True).double().eval()
    weights = [layer.query.weight, layer.key.weight, layer.value.weight]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat(weights))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(layer.project.weight)
        theirs.out_proj.bias.copy_(layer.project.bias)
    x = normalised(x, layer.norm)
    y = torch.empty_like(x)
    for i in range(x.shape[3] if along == "H" else x.shape[2]):
        line = x[:, :, :, i] if along == "H" else x[:, :, i]
        tokens = line.transpose(1, 2)
        out = theirs(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2)
        if along == "H":
            y[:, :, :, i] = out
        else:
            y[:, :, i] = out
    return y


def feed_forward(layer, x):
    norm, enter, _, leave = layer
    z = F.conv2d(normalised(x, norm), enter.weight, enter.bias, padding=1)
    z = torch.where(z > 0, z, 0.01 * z)
    return F.conv2d(z, leave.weight, leave.bias, padding=1)


@pytest.mark.parametrize(
    ("heads", "depth", "reversible"), [(4, 1, True), (2, 2, False), (2, 2, True)]
)
@torch.no_grad()
def test_formula(heads, depth, reversible):
    m = generic(AxialImageTransformer(8, heads=heads, depth=depth, reversible=reversible))
    x = rand(2, 8, 3, 5)
    steps = []
    for d in range(depth):
        rows, columns, first, second = m.layers[4 * d : 4 * d + 4]
        assert first[1].out_channels == 32
        steps += [
            lambda t, layer=rows: attention(layer, t, heads, "H"),
            lambda t, layer=columns: attention(layer, t, heads, "W"),
            lambda t, layer=first: feed_forward(layer, t),
            lambda t, layer=second: feed_forward(layer, t),
        ]
    if reversible:
        a, b = x, x
        for i in range(0, len(steps), 2):
            a = a + steps[i](b)
            b = b + steps[i + 1](a)
        expected = (a + b) / 2
    else:
        expected = x
        for step in steps:
            expected = expected + step(expected)
    same(m(x), expected)


@torch.no_grad()
def test_positions():
    m = generic(AxialImageTransformer(4, heads=2, positions=(3, 4)))
    x = rand(1, 4, 3, 4)
    y = m(x)
    rows, columns = m.rows, m.columns
    m.rows = m.columns = None
    same(y, m(x + rows.expand_as(x) + columns.expand_as(x)))
    m.rows, m.columns = rows, columns
    assert m(rand(1, 4, 6, 5)).shape == (1, 4, 6, 5)
