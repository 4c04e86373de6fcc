"""SPPCSPC against its seven convolutions written out, windows one by one."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.context.sppcspc import CrossStagePyramid
from tests.modules.generic import conv_bn, generic, rand, same


def _maxima(x, k):
    """The maximum over the part of each k x k window that lies in the map."""
    y = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            rows = slice(max(0, i - k // 2), i + k // 2 + 1)
            columns = slice(max(0, j - k // 2), j + k // 2 + 1)
            y[:, :, i, j] = x[:, :, rows, columns].amax((2, 3))
    return y


@torch.no_grad()
@pytest.mark.parametrize(
    ("kernels", "expansion", "hidden"), [((5, 9, 13), 0.5, 6), ((3, 5), 0.25, 3), ((5, 3), 0.5, 6)]
)
def test_equals_the_seven_convolutions(kernels, expansion, hidden):
    m = generic(CrossStagePyramid(6, kernel_sizes=kernels, expansion=expansion))
    x = rand(2, 6, 7, 5)

    def layer(block, z):
        return F.silu(conv_bn(z, block))

    u = layer(m.before[2], layer(m.before[1], layer(m.before[0], x)))
    assert u.shape[1] == hidden
    assert m.before[1][0].kernel_size == m.after[1][0].kernel_size == (3, 3)
    pyramid = torch.cat([u, *(_maxima(u, k) for k in kernels)], dim=1)
    p = layer(m.after[1], layer(m.after[0], pyramid))
    same(m(x), layer(m.project, torch.cat([p, layer(m.around, x)], dim=1)))
