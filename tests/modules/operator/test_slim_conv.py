"""SlimConv against its formula, channel by channel."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.slim_conv import SlimConvolution
from tests.modules.generic import generic, rand, same


def _norm(norm, x):
    z = (x - norm.running_mean[:, None, None]) / (norm.running_var + norm.eps).sqrt()[:, None, None]
    return z * norm.weight[:, None, None] + norm.bias[:, None, None]


def _reference(m, x, s, d, groups):
    channels = x.shape[1]
    half = (channels + 1) // 2
    (conv, norm, _), last = m.gate
    z = _norm(norm, F.conv2d(x.mean((2, 3), keepdim=True), conv.weight)).clamp(min=0)
    w = F.conv2d(z, last.weight, last.bias).sigmoid()
    t, u = (torch.zeros_like(x[:, :half]) for _ in range(2))
    for c in range(half):
        far = channels - half + c  # the same place in the second half
        t[:, c] = w[:, c] * x[:, c] + w[:, far] * x[:, far]
        back, far_back = w[:, channels - 1 - c], w[:, channels - 1 - far]
        u[:, c] = back * x[:, c] + far_back * x[:, far]
    top = _norm(m.top[1], F.conv2d(t, m.top[0].weight, None, s, d, d, groups))
    (shrink, shrink_norm, _), (conv, norm) = m.bottom
    v = _norm(shrink_norm, F.conv2d(u, shrink.weight)).clamp(min=0)
    bottom = _norm(norm, F.conv2d(v, conv.weight, None, s, d, d, groups))
    return torch.cat([top, bottom], dim=1)


@torch.no_grad()
def test_equals_the_formula():
    m = generic(SlimConvolution(16, 12, groups=2, dilation=2, reduction=8))
    assert isinstance(m.project, torch.nn.Identity)
    x = rand(2, 16, 5, 7)
    same(m(x), _reference(m, x, 1, 2, 2))


@torch.no_grad()
def test_odd_width_stride_and_projection():
    m = generic(SlimConvolution(7, 10, stride=2, reduction=32))
    x = rand(2, 7, 5, 6)
    u = _reference(m, x, 2, 1, 1)
    assert u.shape[1] == 4 + 1
    same(m(x), torch.einsum("oi,bixy->boxy", m.project.weight[:, :, 0, 0], u))
