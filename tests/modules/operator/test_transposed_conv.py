"""Transposed convolution as an operator, the upsampling pixel by pixel."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.transposed_conv import TransposedConvolution
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_equals_the_formula():
    for k, s, reduction, mid in ((4, 1, 4, 2), (2, 2, 2, 4), (4, 2, 16, 1)):
        m = generic(TransposedConvolution(3, 8, kernel_size=k, stride=s, reduction=reduction))
        conv, norm, _ = m.up
        x = rand(2, 3, 5, 4)
        u = torch.zeros(2, mid, 10, 8, dtype=x.dtype)
        for i in range(5):
            for j in range(4):
                for a in range(k):
                    for b in range(k):
                        r, c = 2 * i + a - (k - 2) // 2, 2 * j + b - (k - 2) // 2
                        if 0 <= r < 10 and 0 <= c < 8:
                            u[:, :, r, c] += x[:, :, i, j] @ conv.weight[:, :, a, b]
        z = (u - norm.running_mean[:, None, None]) / (norm.running_var + norm.eps).sqrt()[
            :, None, None
        ]
        u = (z * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)
        y = F.conv2d(u, m.conv.weight, padding=1)[:, :, :: 2 * s, :: 2 * s]
        assert y.shape[2:] == (-(-5 // s), -(-4 // s))
        same(m(x), y)
