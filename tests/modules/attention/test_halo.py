"""Halo attention against the formula, query by query."""

import pytest
import torch

from plugnas.modules.attention.halo import HaloAttention
from tests.modules.attention.reference import pixel, pointwise
from tests.modules.generic import generic, rand


def _reference(module, x, block, halo, heads):
    inner = module.qkv.weight.shape[0] // 3
    d = inner // heads
    q, k, v = pointwise(module.qkv, x).split(inner)
    height, width = x.shape[1:]
    y = torch.zeros(inner, height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            top, left = i // block * block - halo, j // block * block - halo
            for h in range(heads):
                part = slice(h * d, (h + 1) * d)
                logits, values = [], []
                for a in range(top, top + block + 2 * halo):
                    for b in range(left, left + block + 2 * halo):
                        if module.mask_padding and not (0 <= a < height and 0 <= b < width):
                            continue
                        key = pixel(k, a, b)[part]
                        key = key + module.rows[a - i + block + halo - 1]
                        key = key + module.columns[b - j + block + halo - 1]
                        logits.append(q[part, i, j] @ key / d**0.5)
                        values.append(pixel(v, a, b)[part])
                y[part, i, j] = torch.stack(logits).softmax(0) @ torch.stack(values)
    return pointwise(module.out, y)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("block", "halo", "heads"), [(2, 1, 2), (3, 2, 1)])
def test_equals_the_formula(masked, block, halo, heads):
    module = HaloAttention(
        6, window=block, halo=halo, heads=heads, head_channels=3, mask_padding=masked
    )
    module = generic(module)
    x = rand(6, 5, 4)
    expected = _reference(module, x, block, halo, heads)
    torch.testing.assert_close(module(x[None])[0], expected)
