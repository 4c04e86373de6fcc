"""Contextual convolution against sums over taps, and its shares."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.coconv import CoConv
from tests.modules.generic import generic, rand, same

SHARES = [
    (2, 32, [16, 16]),
    (3, 64, [32, 16, 16]),
    (4, 32, [8, 8, 8, 8]),
    (5, 32, [8, 8, 8, 4, 4]),
    (5, 14, [6, 3, 3, 1, 1]),
    (4, 7, [4, 1, 1, 1]),
    (3, 3, [3]),
]


@pytest.mark.parametrize(("levels", "cout", "widths"), SHARES)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_level(levels, cout, widths, stride):
    m = generic(CoConv(3, cout, levels=levels, stride=stride))
    assert [level.out_channels for level in m.levels] == widths
    x = rand(2, 3, 7, 6)
    maps = []
    for d, level in enumerate(m.levels, start=1):
        padded = F.pad(x, (d, d, d, d))
        y = 0
        for u in range(3):
            for v in range(3):
                shifted = padded[:, :, u * d : u * d + 7 : stride, v * d : v * d + 6 : stride]
                y = y + torch.einsum("bchw,oc->bohw", shifted, level.weight[:, :, u, v])
        maps.append(y)
    same(m(x), torch.cat(maps, 1))


def test_costs_as_much_as_one_convolution():
    assert sum(p.numel() for p in CoConv(8, 24, levels=5).parameters()) == 8 * 24 * 9
