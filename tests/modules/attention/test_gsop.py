"""Second-order pooling attention against numpy's covariance and explicit rows."""

import numpy as np
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.attention.gsop import GSoP
from tests.modules.generic import batch_norm, conv_bn, generic, rand


def _rows(matrices, rows, between=lambda numbers: numbers):
    """(B, d, d) covariance matrices -> (B, out): each row by its own weights, then all together."""
    normed = batch_norm(matrices, rows.norm)
    size = matrices.shape[1]
    numbers = []
    for i in range(size):
        for k in range(4):
            weights = rows.row.weight[4 * i + k].flatten()
            numbers.append(normed[:, i] @ weights + rows.row.bias[4 * i + k])
    return between(torch.stack(numbers, 1)) @ rows.mix.weight.flatten(1).T + rows.mix.bias


def _cov(variables):
    return torch.tensor(np.stack([np.cov(v.numpy(), bias=True) for v in variables]))


def _channel(ours, x):
    z = conv_bn(x, ours.channel_reduce).clamp(min=0).flatten(2)
    return _rows(_cov(z), ours.channel_rows).sigmoid()[:, :, None, None]


def _position(ours, x, side):
    """As the authors: no ReLU before the pooling, one between the rows, resized at the end."""
    z = conv_bn(x, ours.position_reduce)
    z = F.adaptive_avg_pool2d(z, side).flatten(2).transpose(1, 2)
    logits = _rows(_cov(z), ours.position_rows, between=lambda numbers: numbers.clamp(min=0))
    gate = logits.sigmoid().reshape(len(x), 1, side, side)
    return F.interpolate(gate, x.shape[2:], mode="bilinear", align_corners=False)


def test_equals_the_formula():
    x = rand(2, 6, 5, 4)
    for mode, hidden, side in (
        ("channel", 3, 4), ("channel", 8, 4), ("position", 3, 2), ("both", 4, 3),
    ):  # fmt: skip
        ours = generic(GSoP(6, mode=mode, hidden_channels=hidden, positions=side))
        if mode == "channel":
            gate = _channel(ours, x)
        elif mode == "position":
            gate = _position(ours, x, side)
        else:
            gate = (_channel(ours, x) + _position(ours, x, side)) / 2
        torch.testing.assert_close(ours(x), x * gate)
        torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)


def test_the_positions_are_no_linear_map_of_their_covariance():
    """Between the two layers stands a ReLU; without it they were one linear map."""
    rows = generic(GSoP(6, mode="position", positions=2)).position_rows
    a, b = rand(1, 4, 4, seed=3), rand(1, 4, 4, seed=4)
    middle = rows(torch.zeros_like(a))
    assert not torch.allclose(rows(a) + rows(b) - middle, rows(a + b))
