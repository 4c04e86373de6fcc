"""DANet's two attentions against the paper's formulas, position by position, channel by channel."""

import pytest
import torch

from plugnas.modules.attention.danet import ChannelAttention, DualAttention, PositionAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _position(module, x):
    q, k, v = (pointwise(f, x) for f in (module.query, module.key, module.value))
    y = torch.zeros_like(x)
    places = [(i, j) for i in range(x.shape[1]) for j in range(x.shape[2])]
    for i, j in places:
        weights = torch.stack([q[:, i, j] @ k[:, a, b] for a, b in places]).exp()
        total = sum(w * v[:, a, b] for w, (a, b) in zip(weights, places, strict=True))
        y[:, i, j] = module.gamma * total / weights.sum() + x[:, i, j]
    return y


def _channel(module, x, mode):
    y = torch.zeros_like(x)
    for c in range(len(x)):
        energy = torch.stack([(x[c] * x[d]).sum() for d in range(len(x))])
        energy = energy.max() - energy if mode == "max_minus" else energy
        weights = energy.softmax(0)
        y[c] = module.beta * sum(weights[d] * x[d] for d in range(len(x))) + x[c]
    return y


@pytest.mark.parametrize("reduction", [2, 16])
def test_position(reduction):
    module = generic(PositionAttention(8, reduction=reduction))
    x = rand(8, 3, 4)
    torch.testing.assert_close(module(x[None])[0], _position(module, x))


@pytest.mark.parametrize("mode", ["plain", "max_minus"])
def test_channel(mode):
    module = generic(ChannelAttention(6, mode=mode))
    x = 0.4 * rand(6, 3, 4)
    torch.testing.assert_close(module(x[None])[0], _channel(module, x, mode))


def test_both():
    module = generic(DualAttention(8, reduction=4, mode="max_minus"))
    x = 0.4 * rand(8, 3, 4)
    expected = _position(module.position, x) + _channel(module.channel, x, "max_minus")
    torch.testing.assert_close(module(x[None])[0], expected)
