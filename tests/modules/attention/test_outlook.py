"""Outlook attention against timm's VOLO, and window by window."""

import pytest
import torch
from timm.models.volo import OutlookAttention as TimmOutlookAttention

from plugnas.modules.attention.outlook import OutlookAttention
from tests.modules.attention.reference import pixel, pointwise
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 4), (5, 7), (1, 3)])
def test_equals_timm(size, stride):
    ours = generic(OutlookAttention(12, stride=stride, head_channels=4))
    theirs = TimmOutlookAttention(12, num_heads=3, stride=stride).double().eval()
    x = rand(2, 12, *size)
    with torch.no_grad():
        for layer, mine in ((theirs.v, ours.value), (theirs.attn, ours.weights)):
            layer.weight.copy_(mine.weight.flatten(1))
        theirs.attn.bias.copy_(ours.weights.bias)
        theirs.proj.weight.copy_(ours.out.weight.flatten(1))
        theirs.proj.bias.copy_(ours.out.bias)
        expected = theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    same(ours(x), expected)


def test_window_by_window():
    module = generic(OutlookAttention(4, stride=1, head_channels=2))
    x = rand(4, 3, 4)
    values, logits = pointwise(module.value, x), pointwise(module.weights, x)
    around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    y = torch.zeros_like(x)
    for i in range(3):
        for j in range(4):
            for h in range(2):
                part = slice(2 * h, 2 * h + 2)
                matrix = logits[81 * h : 81 * (h + 1), i, j].view(9, 9) / 2**0.5
                share = matrix.exp() / matrix.exp().sum(1, keepdim=True)
                window = torch.stack([pixel(values, i + a, j + b)[part] for a, b in around])
                for (a, b), mixed in zip(around, share @ window, strict=True):
                    if 0 <= i + a < 3 and 0 <= j + b < 4:
                        y[part, i + a, j + b] += mixed
    same(module(x[None])[0], pointwise(module.out, y))


def test_heads_fit_the_width():
    assert OutlookAttention(64).heads == 2
    assert OutlookAttention(10).heads == 1
