"""Involution against the paper's sum, pixel by pixel."""

import torch

from plugnas.modules.operator.involution import Involution
from tests.modules.generic import generic, rand, same


def _reference(m: Involution, x: torch.Tensor, k: int, s: int, per_group: int) -> torch.Tensor:
    batch, channels, height, width = x.shape
    conv, norm, _ = m.reduce
    out = torch.zeros(batch, channels, -(-height // s), -(-width // s), dtype=x.dtype)
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            cell = x[:, :, row * s : (row + 1) * s, column * s : (column + 1) * s].mean((2, 3))
            z = cell @ conv.weight[:, :, 0, 0].T
            z = (z - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            z = (z * norm.weight + norm.bias).clamp(min=0)
            w = z @ m.span.weight[:, :, 0, 0].T + m.span.bias
            for c in range(channels):
                for u in range(k):
                    for v in range(k):
                        r, q = row * s + u - k // 2, column * s + v - k // 2
                        if 0 <= r < height and 0 <= q < width:
                            tap = (c // per_group) * k * k + u * k + v
                            out[:, c, row, column] += w[:, tap] * x[:, c, r, q]
    return out


@torch.no_grad()
def test_equals_the_formula():
    for k, s, per_group in ((3, 1, 2), (5, 2, 4)):
        m = generic(Involution(8, 8, stride=s, kernel_size=k, group_channels=per_group))
        x = rand(2, 8, 5, 4)
        same(m(x), _reference(m, x, k, s, per_group))


@torch.no_grad()
def test_a_projection_follows_where_the_width_changes():
    m = generic(Involution(6, 5, stride=2, kernel_size=3, group_channels=16, reduction=2))
    assert m.groups == 1  # 16 channels per group: all 6 in one
    x = rand(2, 6, 5, 7)
    inner = _reference(m, x, 3, 2, 6)
    same(m(x), torch.einsum("oi,bixy->boxy", m.project.weight[:, :, 0, 0], inner))
