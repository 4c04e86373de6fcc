"""Polarized self-attention against the paper's formula, sums after the linear maps."""

import pytest
import torch

from plugnas.modules.attention.polarized import PolarizedSelfAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand, same


def _channel_gate(module, x):
    value = pointwise(module.pixel_value, x).flatten(1)  # (C / 2, N)
    logits = pointwise(module.pixel_query, x).flatten()
    share = logits.exp() / logits.exp().sum()
    z = module.excite.weight[:, :, 0, 0] @ sum(value[:, p] * share[p] for p in range(len(share)))
    centred = z - z.sum() / len(z)
    z = centred / ((centred**2).sum() / len(z) + 1e-5).sqrt()
    return 1 / (1 + (-(z * module.norm.weight + module.norm.bias)).exp())


def _pixel_gate(module, x):
    pooled = pointwise(module.channel_query, x).flatten(1).mean(1)
    share = pooled.exp() / pooled.exp().sum()
    value = pointwise(module.channel_value, x)
    return 1 / (1 + (-torch.einsum("c,chw->hw", share, value)).exp())


@pytest.mark.parametrize("form", ["parallel", "sequential"])
def test_equals_the_formula(form):
    module = generic(PolarizedSelfAttention(7, form=form))
    x = rand(7, 4, 5)
    by_channel = _channel_gate(module, x)[:, None, None] * x
    if form == "parallel":
        expected = by_channel + _pixel_gate(module, x) * x
    else:
        expected = _pixel_gate(module, by_channel) * by_channel
    same(module(x[None])[0], expected)
