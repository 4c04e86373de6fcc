"""The poly kernel module against its formula, and its deploy form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.operator.pki import PolyKernelInception
from tests.modules.generic import batch_norm, generic, pointwise, rand, same


def _depthwise(x, weight, bias):
    """Zero-padded depthwise convolution, tap by tap."""
    k = weight.shape[-1]
    padded = F.pad(x, [k // 2] * 4)
    y = bias[:, None, None] + torch.zeros_like(x)
    for i in range(k):
        for j in range(k):
            window = padded[..., i : i + x.shape[2], j : j + x.shape[3]]
            y = y + weight[:, 0, i, j, None, None] * window
    return y


@torch.no_grad()
@pytest.mark.parametrize(
    ("kernels", "expansion", "hidden", "stride"),
    [((3, 5, 7, 9, 11), 1.0, 6, 1), ((3, 5, 7), 0.5, 3, 2), ((5, 3), 1.0, 6, 2)],
)
def test_equals_the_formula_and_fuses(kernels, expansion, hidden, stride):
    m = PolyKernelInception(4, 6, kernel_sizes=kernels, expansion=expansion, stride=stride)
    m = generic(m)
    x = rand(2, 4, 7, 6)
    u = F.silu(batch_norm(pointwise(x, m.reduce[0].weight), m.reduce[1]))
    assert u.shape[1] == hidden
    local = _depthwise(u, m.local.weight, m.local.bias)[..., ::stride, ::stride]
    z = local.clone()
    for convolution, k in zip(m.poly.filters, kernels[1:], strict=True):
        assert convolution.kernel_size == (k, k)
        z = z + _depthwise(local, convolution.weight, convolution.bias)
    same(m(x), F.silu(batch_norm(pointwise(z, m.project[0].weight), m.project[1])))
    fused = modules.fuse(m)
    assert isinstance(fused.poly, nn.Conv2d)
    assert fused.poly.kernel_size[0] == max(kernels[1:])
    same(fused(x), m(x))
    same(modules.fuse(fused)(x), m(x))
