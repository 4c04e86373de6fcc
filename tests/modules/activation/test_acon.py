"""ACON against its formula, channel by channel, and the functions that it contains."""

import torch
from torch.nn import functional as F

from plugnas.modules.activation.acon import ACON
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand, same


def _reference(x, p1, p2, beta):
    y = torch.empty_like(x)
    for c in range(x.shape[0]):
        upper, lower = float(p1[0, c]) * x[c], float(p2[0, c]) * x[c]
        share = 1 / (1 + (-float(beta[c]) * (upper - lower)).exp())
        y[c] = share * upper + (1 - share) * lower  # the smooth maximum of two lines
    return y


def test_learned_switch():
    module = generic(ACON(4))
    x = rand(4, 3, 5)
    same(module(x[None])[0], _reference(x, module.p1, module.p2, module.beta.flatten()))


def test_switch_made_from_the_means():
    module = generic(ACON(6, form="meta_acon"))
    assert module.switch[0].out_channels == 16
    x = rand(6, 3, 5)
    z = pointwise(module.switch[1], pointwise(module.switch[0], x.mean((1, 2))))
    same(module(x[None])[0], _reference(x, module.p1, module.p2, 1 / (1 + (-z).exp())))


def test_contains_swish_and_the_maximum():
    module = ACON(3).double().requires_grad_(False)
    module.p1.fill_(1.0)
    module.p2.fill_(0.0)
    x = rand(2, 3, 4, 4)
    same(module(x), F.silu(x))
    module.p2.fill_(0.25)
    module.beta.fill_(1e4)
    torch.testing.assert_close(module(x), F.leaky_relu(x, 0.25), rtol=0, atol=1e-4)
