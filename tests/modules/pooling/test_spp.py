"""The pyramid's vector bin by bin; the block against a loop over windows."""

import math

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.pooling.spp import SpatialPyramidBlock, SpatialPyramidPooling
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize("levels", [(1, 2), (1, 2, 4), (1, 2, 3, 6)])
@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("size", [(7, 5), (3, 2)])
def test_vector(levels, mode, size):
    torch.manual_seed(0)
    height, width = size
    x = torch.randn(2, 3, height, width) - 3  # negative: zeros from padding would show
    pool = SpatialPyramidPooling(3, levels=levels, mode=mode)
    expected = []
    for n in levels:
        for c in range(3):
            for i in range(n):
                for j in range(n):
                    rows = slice(i * height // n, math.ceil((i + 1) * height / n))
                    columns = slice(j * width // n, math.ceil((j + 1) * width / n))
                    cell = x[:, c, rows, columns].flatten(1)
                    expected.append(cell.max(1).values if mode == "max" else cell.mean(1))
    assert pool.out_features == len(expected)
    torch.testing.assert_close(pool(x), torch.stack(expected, 1))


@pytest.mark.parametrize("kernel_sizes", [(5, 9, 13), (3, 5, 7)])
def test_block(kernel_sizes):
    torch.manual_seed(0)
    block = scrambled(SpatialPyramidBlock(6, kernel_sizes=kernel_sizes))
    x = torch.randn(2, 6, 8, 5, dtype=torch.float64)

    def layer(pair, t):
        conv, n = pair[0], pair[1]
        t = torch.einsum("bchw,oc->bohw", t, conv.weight[:, :, 0, 0])
        t = F.batch_norm(t, n.running_mean, n.running_var, n.weight, n.bias)
        return torch.where(t > 0, t, 0.1 * t)

    z = layer(block.reduce, x)
    assert z.shape[1] == 3
    maps = [z]
    for k in kernel_sizes:
        r = k // 2
        pooled = torch.empty_like(z)
        for i in range(8):
            for j in range(5):
                window = z[:, :, max(0, i - r) : i + r + 1, max(0, j - r) : j + r + 1]
                pooled[:, :, i, j] = window.amax((2, 3))
        maps.append(pooled)
    expected = layer(block.project, torch.cat(maps, 1))
    close(block(x), expected)
    close(modules.fuse(block)(x), expected)
