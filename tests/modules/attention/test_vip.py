"""Permute-MLP against the formula, segment by segment, row by row."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.attention.vip import PermuteMLP
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _along_rows(layer, x, segments):
    """For each segment and column: a linear layer over the joint (row, channel) vector."""
    size = x.shape[0] // segments
    y = torch.zeros_like(x)
    for n in range(segments):
        for j in range(x.shape[2]):
            joint = [x[n * size + s, i, j] for i in range(x.shape[1]) for s in range(size)]
            mixed = pointwise(layer, torch.stack(joint))
            for i in range(x.shape[1]):
                y[n * size : (n + 1) * size, i, j] = mixed[i * size : (i + 1) * size]
    return y


def _resampled(x, length, mode):
    corners = None if mode == "area" else False
    size = (length, x.shape[2])
    return F.interpolate(x[None], size=size, mode=mode, align_corners=corners)[0]


def _branch(axis, x):
    at_length = _resampled(x, axis.length, "area")
    return _resampled(_along_rows(axis.mix, at_length, axis.segments), x.shape[1], "bilinear")


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("channels", "segments", "height", "width", "used"),
    [(8, 4, 4, 4, 4), (6, 4, 4, 5, 2), (8, 2, 7, 3, 2)],
)
def test_equals_the_formula(weighted, channels, segments, height, width, used):
    module = generic(PermuteMLP(channels, segments=segments, weighted=weighted))
    assert module.height.segments == used
    x = rand(channels, height, width)
    h = _branch(module.height, x)
    w = _branch(module.width, x.transpose(1, 2)).transpose(1, 2)
    c = pointwise(module.channel, x)
    total = h + w + c
    if weighted:
        first, _, last = module.weights
        logits = pointwise(last, F.gelu(pointwise(first, total.mean((1, 2)))))
        a = logits.view(channels, 3).softmax(1)[:, :, None, None]
        total = a[:, 0] * h + a[:, 1] * w + a[:, 2] * c
    torch.testing.assert_close(module(x[None])[0], pointwise(module.out, total))
