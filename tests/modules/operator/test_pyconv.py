"""Pyramidal convolution against its levels, group by group."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.pyconv import PyramidalConvolution
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_equals_the_formula():
    # level: (output channels, kernel, groups)
    three = [(8, 3, 1), (8, 5, 4), (16, 7, 8)]
    four = [(16, 3, 1), (16, 5, 4), (16, 7, 8), (16, 9, 16)]
    for levels, cout, pyramid, s, d in ((3, 32, three, 2, 1), (4, 64, four, 1, 2)):
        m = generic(PyramidalConvolution(16, cout, levels=levels, stride=s, dilation=d))
        x = rand(2, 16, 7, 6)
        maps = []
        for (width, k, groups), conv in zip(pyramid, m.levels, strict=True):
            weights = conv.weight.chunk(groups)
            for part, weight in zip(x.chunk(groups, dim=1), weights, strict=True):
                assert weight.shape == (width // groups, 16 // groups, k, k)
                maps.append(F.conv2d(part, weight, None, s, d * (k - 1) // 2, d))
        same(m(x), torch.cat(maps, dim=1))


@pytest.mark.parametrize(
    ("cin", "cout", "levels", "widths", "groups"),
    [
        (64, 64, 3, [16, 16, 32], [1, 4, 8]),
        (3, 16, 4, [4, 4, 4, 4], [1, 1, 1, 1]),
        (12, 14, 4, [5, 3, 3, 3], [1, 3, 3, 3]),
        (8, 5, 3, [2, 1, 2], [1, 1, 2]),
        (8, 3, 4, [1, 1, 1], [1, 1, 1]),
        (64, 64, 1, [64], [1]),
    ],
)
def test_widths_and_groups(cin, cout, levels, widths, groups):
    m = PyramidalConvolution(cin, cout, levels=levels)
    assert [level.out_channels for level in m.levels] == widths
    assert [level.groups for level in m.levels] == groups
