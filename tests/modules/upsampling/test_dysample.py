"""DySample against points read one by one, and against bilinear upsampling at its start."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.upsampling.dysample import DySample
from tests.modules.generic import generic, rand, same


def _clamped(x, row, column):
    """The value of (C, H, W) at one point, the border continued outside."""
    row = min(max(row, 0.0), x.shape[1] - 1.0)
    column = min(max(column, 0.0), x.shape[2] - 1.0)
    y = torch.zeros(x.shape[0], dtype=x.dtype)
    for r in {math.floor(row), math.ceil(row)}:
        for c in {math.floor(column), math.ceil(column)}:
            y += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return y


def _offset(m, x, b, xy, group, big_row, big_column):
    """One coordinate of one offset, by the index formula of the pixel shuffle."""
    s = m.scale
    i, j, a, e = big_row // s, big_column // s, big_row % s, big_column % s
    channel = xy * m.groups + group
    if m.style == "lp":
        channel = channel * s * s + a * s + e
        seen = x[b, :, i, j]
    else:
        seen = x[b, a * s + e :: s * s, i, j]
    value = float(m.offset.weight[channel, :, 0, 0] @ seen + m.offset.bias[channel])
    if m.scope is None:
        return 0.25 * value
    return 0.5 * value / (1 + math.exp(-float(m.scope.weight[channel, :, 0, 0] @ seen)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("style", "dynamic", "scale", "groups", "channels"),
    [("lp", False, 2, 4, 8), ("lp", True, 3, 1, 4), ("pl", False, 2, 2, 8), ("pl", True, 2, 4, 8)],
)
def test_equals_points_one_by_one(style, dynamic, scale, groups, channels):
    m = DySample(channels, scale=scale, style=style, dynamic_scope=dynamic, groups=groups)
    m = generic(m)
    x = rand(2, channels, 3, 4)
    y = m(x)
    width = channels // groups
    for b, g, i, j in itertools.product(
        range(2), range(groups), range(3 * scale), range(4 * scale)
    ):
        column = (j + 0.5) / scale - 0.5 + _offset(m, x, b, 0, g, i, j)
        row = (i + 0.5) / scale - 0.5 + _offset(m, x, b, 1, g, i, j)
        part = slice(g * width, (g + 1) * width)
        same(y[b, part, i, j], _clamped(x[b, part], row, column))


@torch.no_grad()
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_offsets_it_is_bilinear_upsampling(scale):
    m = DySample(8, scale=scale).double()
    m.offset.weight.zero_()
    x = rand(2, 8, 5, 4)
    same(m(x), F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False))


def test_one_network_under_several_numbers_of_groups():
    entry = modules.get("dysample")
    assert entry.canonical(Site(4, 5, 5), {"groups": 8})["groups"] == 4
    assert entry.canonical(Site(3, 5, 5), {"groups": 8})["groups"] == 4  # 3 groups both
    assert entry.canonical(Site(16, 5, 5), {"groups": 8})["groups"] == 8
    assert DySample(3, groups=8).groups == DySample(3, groups=4).groups == 3


def test_points_are_no_less_than_single_precision_under_autocast():
    m = DySample(1, groups=1)
    with torch.no_grad():
        m.offset.weight.zero_()
    x = (torch.arange(300.0) / 300).expand(1, 1, 2, 300)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = m(x)
    torch.testing.assert_close(y.float(), F.interpolate(x, scale_factor=2, mode="bilinear"))


def test_pixel_shuffle_first_needs_the_channels_for_it():
    entry = modules.get("dysample")
    assert "multiple of 4" in entry.refusal(Site(10, 4, 4), {"style": "pl"})
    assert entry.refusal(Site(12, 4, 4), {"style": "pl"}) is None
