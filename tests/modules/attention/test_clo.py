"""CloFormer's attention against the formula: local heads elementwise, global ones per pixel."""

import pytest
import torch

from plugnas.modules.attention.clo import CloAttention
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand


def _local(part, x, d):
    q, k, v = conv(part.mix, pointwise(part.qkv, x)).chunk(3)
    hidden = pointwise(part.first, q * k)
    logits = pointwise(part.second, hidden * hidden.sigmoid())
    return v * torch.tanh(logits / d**0.5)


def _pool(x, size):
    rows = [x[:, i : i + size] for i in range(0, x.shape[1], size)]
    cells = [[r[:, :, j : j + size].mean((1, 2)) for j in range(0, x.shape[2], size)] for r in rows]
    return torch.stack([cell for row in cells for cell in row], dim=1)  # (C, cells)


def _global(part, x, heads, d, window):
    k, v = pointwise(part.key_value, _pool(x, window)).chunk(2)
    q = pointwise(part.query, x)
    y = torch.zeros_like(q)
    for h in range(heads):
        s = slice(h * d, (h + 1) * d)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                weights = (q[s, i, j] @ k[s] / d**0.5).softmax(0)
                y[s, i, j] = v[s] @ weights
    return y


@pytest.mark.parametrize(
    ("kernel_sizes", "fraction", "window", "widths", "heads"),
    [((3,), 0.5, 2, [4], 2), ((3, 5), 0.75, 3, [4, 2], 1), ((5,), 0.25, 7, [2], 3)],
)
def test_equals_the_formula(kernel_sizes, fraction, window, widths, heads):
    module = CloAttention(
        8, kernel_sizes=kernel_sizes, local_fraction=fraction, window=window, heads=4
    )
    module = generic(module)
    assert [part.first.out_channels for part in module.local] == widths
    x = rand(8, 5, 4)
    parts = [_local(part, x, 2) for part in module.local]
    parts.append(_global(module.pooled, x, heads, 2, window))
    torch.testing.assert_close(module(x[None])[0], pointwise(module.out, torch.cat(parts)))


@pytest.mark.parametrize(
    ("channels", "kernel_sizes", "locals_", "heads", "d"),
    [
        (15, (3, 5), [1, 1], 3, 3),
        (11, (5,), [4], 4, 1),
        (23, (3, 5), [2, 2], 4, 2),
        (2, (3, 5), [1, 1], 1, 1),
    ],
)
def test_a_width_without_enough_divisors_has_heads_of_its_floor(
    channels, kernel_sizes, locals_, heads, d
):
    """11 channels have 8 heads of 1, 23 have 8 of 2: the last layer brings the width back."""
    module = generic(CloAttention(channels, kernel_sizes=kernel_sizes))
    x = rand(channels, 5, 4)
    assert [part.first.out_channels for part in module.local] == [n * d for n in locals_]
    parts = [_local(part, x, d) for part in module.local]
    parts.append(_global(module.pooled, x, heads, d, 4))
    torch.testing.assert_close(module(x[None])[0], pointwise(module.out, torch.cat(parts)))
