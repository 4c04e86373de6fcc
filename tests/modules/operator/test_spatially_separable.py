"""The separable pair against one convolution of limited rank, and against its two sums."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.spatially_separable import SpatiallySeparable
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (5, 2), (7, 1)])
def test_equals_one_convolution_of_limited_rank(kernel_size, stride):
    m = generic(SpatiallySeparable(3, 4, stride=stride, kernel_size=kernel_size))
    a, b = m.column.weight[..., 0], m.row.weight[:, :, 0]  # (M, I, k), (O, M, k)
    k = torch.zeros(4, 3, kernel_size, kernel_size, dtype=torch.float64)
    for u in range(kernel_size):
        for v in range(kernel_size):
            k[:, :, u, v] = b[:, :, v] @ a[:, :, u]
    x = rand(2, 3, 8, 5)
    same(m(x), F.conv2d(x, k, stride=stride, padding=kernel_size // 2))


def test_activation_between():
    m = generic(SpatiallySeparable(3, 4, kernel_size=3, activation_between=True))
    conv, norm = m.column[0], m.column[1]
    x = rand(2, 3, 5, 6)
    z = sum(
        torch.einsum(
            "bchw,oc->bohw", F.pad(x, (0, 0, 1, 1))[:, :, u : u + 5], conv.weight[:, :, u, 0]
        )
        for u in range(3)
    )
    z = F.batch_norm(z, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    z = F.pad(z.clamp(min=0), (1, 1))
    y = sum(
        torch.einsum("bchw,oc->bohw", z[..., v : v + 6], m.row.weight[:, :, 0, v]) for v in range(3)
    )
    same(m(x), y)
