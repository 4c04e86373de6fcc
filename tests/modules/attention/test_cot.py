"""Contextual Transformer against the formula, window by window."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.attention.cot import ContextualTransformer
from tests.modules.attention.reference import bn, conv, pixel, pointwise
from tests.modules.generic import generic, rand


def _contexts(module, x):
    static = bn(module.static[1], conv(module.static[0], x)).relu()
    value = bn(module.value[1], pointwise(module.value[0], x))
    hidden = bn(module.attend[1], pointwise(module.attend[0], torch.cat([x, static]))).relu()
    return static, value, pointwise(module.attend[3], hidden)


@pytest.mark.parametrize(("channels", "kernel_size"), [(16, 3), (12, 3), (16, 5)])
def test_paper_form(channels, kernel_size):
    module = generic(ContextualTransformer(channels, kernel_size=kernel_size))
    x = rand(channels, 3, 4)
    static, value, weights = _contexts(module, x)
    assert module.static[0].groups == 4
    kernels = channels // (8 if channels == 16 else 6)
    weights = F.group_norm(
        weights[None], kernels, module.attend[4].weight, module.attend[4].bias
    ).view(kernels, kernel_size, kernel_size, 3, 4)
    dynamic = torch.zeros_like(x)
    for c in range(channels):
        for i in range(3):
            for j in range(4):
                for a in range(kernel_size):
                    for b in range(kernel_size):
                        at = i + a - kernel_size // 2, j + b - kernel_size // 2
                        weight = weights[c % kernels, a, b, i, j]
                        dynamic[c, i, j] += weight * pixel(value, *at)[c]
    dynamic = bn(module.norm, dynamic)
    dynamic = dynamic * dynamic.sigmoid()
    z = (dynamic + static).mean((1, 2))
    squeeze = bn(module.join.squeeze[1], pointwise(module.join.squeeze[0], z)).relu()
    logits = pointwise(module.join.excite, squeeze)
    expected = torch.zeros_like(x)
    for c in range(channels):
        pair = logits[2 * c : 2 * c + 2].softmax(0)
        expected[c] = pair[0] * dynamic[c] + pair[1] * static[c]
    torch.testing.assert_close(module(x[None])[0], expected)


def test_circulating_form():
    module = generic(ContextualTransformer(8, kernel_size=3, form="circulating"))
    x = rand(8, 3, 4)
    static, value, weights = _contexts(module, x)
    expected = static.clone()
    for c in range(8):
        mean = sum(weights[9 * c + t] for t in range(9)) / 9
        expected[c] += value[c] * mean.exp() / mean.exp().sum()
    torch.testing.assert_close(module(x[None])[0], expected)
