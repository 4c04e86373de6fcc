"""Partial convolution against torch's on a slice, and its lifts."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.pconv import PartialConvolution
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_first_channels_convolved_others_untouched():
    for r, k, width in ((2, 3, 5), (4, 7, 2)):
        m = generic(PartialConvolution(10, 10, reduction=r, kernel_size=k))
        assert sum(p.numel() for p in m.parameters()) == k * k * width * width
        x = rand(2, 10, 5, 7)
        y = m(x)
        assert torch.equal(y[:, width:], x[:, width:])
        same(y[:, :width], F.conv2d(x[:, :width], m.conv.weight, padding=k // 2))


@torch.no_grad()
def test_stride_and_width():
    m = generic(PartialConvolution(6, 4, stride=2, reduction=8))
    x = rand(2, 6, 5, 4)
    u = torch.zeros(2, 6, 3, 2, dtype=x.dtype)
    u[:, :1] = F.conv2d(x[:, :1], m.conv.weight, padding=1)[:, :, ::2, ::2]
    for i in range(3):
        for j in range(2):
            u[:, 1:, i, j] = x[:, 1:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3))
    same(m(x), torch.einsum("oi,bixy->boxy", m.project.weight[:, :, 0, 0], u))
