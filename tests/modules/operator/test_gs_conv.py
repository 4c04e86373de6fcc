"""GSConv against its formula, channel by channel, and the authors' reshaping."""

import torch
from torch import nn

from plugnas.modules.operator.gs_conv import GSConv
from tests.modules.generic import batch_norm, check_deploy, conv_same, generic, rand, same


def _mish(x):
    return x * torch.tanh(torch.log1p(torch.exp(x)))


def _halves(m, x, stride):
    p = conv_same(x, m.primary[0].weight)[:, :, ::stride, ::stride]
    p = _mish(batch_norm(p, m.primary[1]))
    kernel = m.cheap[0].weight
    q = torch.cat([conv_same(p[:, c : c + 1], kernel[c : c + 1]) for c in range(p.shape[1])], 1)
    return p, _mish(batch_norm(q, m.cheap[1]))


@torch.no_grad()
def test_equals_its_formula():
    for cout, k, d, s in ((8, 1, 5, 1), (7, 3, 3, 2), (1, 3, 5, 2)):
        m = generic(GSConv(4, cout, kernel_size=k, cheap_kernel_size=d, stride=s))
        x = rand(2, 4, 5, 6)
        p, q = _halves(m, x, s)
        half = p.shape[1]
        y = m(x)
        assert y.shape[1] == cout
        even, odd = list(range(0, cout, 2)), list(range(1, cout, 2))
        for place, c in enumerate(even + odd):
            same(y[:, place], p[:, c] if c < half else q[:, c - half])


@torch.no_grad()
def test_shuffles_as_the_authors_reshape():
    m = generic(GSConv(4, 8))
    x = rand(3, 4, 5, 6)
    u = torch.cat(_halves(m, x, 1), dim=1)
    b, n, h, w = u.shape
    y = u.reshape(b * n // 2, 2, h * w).permute(1, 0, 2).reshape(2, -1, n // 2, h, w)
    same(m(x), torch.cat([y[0], y[1]], dim=1))


def test_norms_fold():
    assert isinstance(GSConv(4, 6).primary[2], nn.Mish)
    check_deploy(GSConv(4, 6), rand(1, 4, 6, 7), GSConv)
