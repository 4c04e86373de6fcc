"""Transposed convolution against patches that are added one by one."""

import pytest
import torch

from plugnas.modules.upsampling.transposed import TransposedUpsampling
from tests.modules.generic import generic, rand, same


@torch.no_grad()
@pytest.mark.parametrize(
    ("scale", "overlap", "before"), [(2, 1, 0), (2, 2, 1), (3, 2, 2), (4, 2, 2), (3, 1, 0)]
)
def test_equals_added_patches(scale, overlap, before):
    m = generic(TransposedUpsampling(3, scale=scale, overlap=overlap))
    x = rand(2, 3, 3, 4)
    kernel = overlap * scale
    y = m.conv.bias[None, :, None, None].repeat(2, 1, 3 * scale, 4 * scale)
    for i in range(3):
        for j in range(4):
            for t in range(kernel):
                for u in range(kernel):
                    row, column = scale * i + t - before, scale * j + u - before
                    if 0 <= row < y.shape[2] and 0 <= column < y.shape[3]:
                        y[:, :, row, column] += x[:, :, i, j] @ m.conv.weight[:, :, t, u]
    same(m(x), y)
