"""Squeeze-enhanced axial attention against the formula, head by head."""

import pytest
import torch

from plugnas.modules.attention.sea import SqueezeEnhancedAxialAttention
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand


def _stretched(table, length):
    """Linear interpolation of (C, T) to a length, the cells' centres aligned at half."""
    old = table.shape[1]
    columns = []
    for i in range(length):
        at = min(max((i + 0.5) * old / length - 0.5, 0.0), old - 1.0)
        low = int(at)
        high = min(low + 1, old - 1)
        columns.append(table[:, low] * (low + 1 - at) + table[:, high] * (at - low))
    return torch.stack(columns, dim=1)


def _axis(axis, q, k, v, heads):
    length = q.shape[1]
    q = q + _stretched(axis.query_position[0], length)
    k = k + _stretched(axis.key_position[0], length)
    outputs = []
    for qh, kh, vh in zip(q.chunk(heads), k.chunk(heads), v.chunk(heads), strict=True):
        weights = (qh.T @ kh / qh.shape[0] ** 0.5).softmax(1)  # (L, L)
        outputs.append(vh @ weights.T)
    return bn(axis.project[2], pointwise(axis.project[1], torch.cat(outputs).relu()))


@pytest.mark.parametrize("expansion", [1, 2])
def test_equals_the_formula(expansion):
    module = generic(
        SqueezeEnhancedAxialAttention(6, head_channels=3, heads=2, expansion=expansion, table=4)
    )
    x = rand(6, 3, 7)
    q, k, v = (bn(f[1], pointwise(f[0], x)) for f in (module.query, module.key, module.value))
    deep, last = module.detail
    detail = bn(deep[1], conv(deep[0], torch.cat([q, k, v]))).relu()
    detail = bn(last[1], pointwise(last[0], detail))
    rows = _axis(module.rows, q.mean(2), k.mean(2), v.mean(2), 2)
    columns = _axis(module.columns, q.mean(1), k.mean(1), v.mean(1), 2)
    context = torch.stack([rows + columns[:, j : j + 1] + v[:, :, j] for j in range(7)], dim=2)
    gate = bn(module.gate[2], pointwise(module.gate[1], context.relu()))
    torch.testing.assert_close(module(x[None])[0], (gate + 3).clamp(0, 6) / 6 * detail)
