"""Haar downsampling against the transform's matrix, its inverse, and its deploy form."""

import math

import pytest
import torch
from torch import nn

from plugnas.modules.operator.haar_down import HaarDownsampling
from tests.modules.generic import batch_norm, check_deploy, generic, pointwise, rand, same


def _transform(x, stride):
    """Bands (B, 4, C, H', W'): rows and columns of each window times [[1, 1], [1, -1]] / sqrt 2."""
    haar = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=x.dtype) / math.sqrt(2)
    batch, channels, height, width = x.shape
    rows, columns = -(-height // stride), -(-width // stride)
    bands = torch.zeros(batch, 4, channels, rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            window = torch.zeros(batch, channels, 2, 2, dtype=x.dtype)
            seen = x[..., stride * i : stride * i + 2, stride * j : stride * j + 2]
            window[..., : seen.shape[2], : seen.shape[3]] = seen
            # [row frequency, column frequency]: LL, HL (across the columns), LH, HH
            bands[..., i, j] = (haar @ window @ haar.T).flatten(2).transpose(1, 2)
    return bands


@torch.no_grad()
@pytest.mark.parametrize(("size", "stride"), [((6, 4), 2), ((7, 5), 2), ((1, 1), 2), ((5, 4), 1)])
def test_equals_the_transform_and_fuses(size, stride):
    m = generic(HaarDownsampling(3, 5, stride=stride))
    x = rand(2, 3, *size)
    bands = _transform(x, stride)
    y = pointwise(bands.flatten(1, 2), m.project[0].weight)
    same(m(x), batch_norm(y, m.project[1]).clamp(min=0))
    fused = check_deploy(HaarDownsampling(3, 5, stride=stride), x, nn.Sequential)
    assert fused[1].kernel_size == (2, 2)


@torch.no_grad()
def test_nothing_is_lost():
    m = generic(HaarDownsampling(1, 4, stride=2))
    conv, norm, _ = m.project
    conv.weight.copy_(torch.eye(4)[:, :, None, None])
    norm.eps = 1e-30
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    x = rand(1, 1, 6, 6)
    coefficients = m(x) - m(-x)  # the rectifier lets one sign of each through
    same(coefficients.square().sum(), x.square().sum())
