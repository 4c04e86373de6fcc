"""CondConv against timm's, weights copied over, and a loop over samples."""

import torch
from timm.layers import CondConv2d
from torch.nn import functional as F

from plugnas.modules.operator.cond_conv import CondConv
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_equals_timm():
    for k, s, groups, bias in ((3, 1, 1, True), (5, 2, 2, False), (1, 2, 4, True)):
        ours = CondConv(8, 12, stride=s, experts=4, kernel_size=k, groups=groups, bias=bias)
        ours = generic(ours)
        theirs = CondConv2d(8, 12, k, s, padding=k // 2, groups=groups, bias=bias)
        theirs = theirs.double()
        theirs.weight.copy_(ours.kernels.weight.reshape(4, -1))
        if bias:
            theirs.bias.copy_(ours.kernels.bias)
        for batch in (1, 3):
            x = rand(batch, 8, 5, 7)
            routes = torch.sigmoid(x.mean((2, 3)) @ ours.routing.weight.T + ours.routing.bias)
            same(ours(x), theirs(x, routes))


@torch.no_grad()
def test_equals_the_routed_sum_of_the_experts_outputs():
    m = generic(CondConv(3, 4, experts=8, stride=2))
    x = rand(3, 3, 5, 7)
    y = torch.zeros(3, 4, 3, 4, dtype=x.dtype)
    for b in range(3):
        logits = m.routing.weight @ x[b].mean((1, 2)) + m.routing.bias
        for e in range(8):
            kernel = m.kernels.weight[4 * e : 4 * e + 4]
            route = 1 / (1 + (-logits[e]).exp())
            y[b] += route * F.conv2d(x[b : b + 1], kernel, stride=2, padding=1)[0]
    same(m(x), y)


def test_every_expert_starts_as_an_ordinary_kernel():
    m = CondConv(16, 8, experts=4)
    bound = (16 * 9) ** -0.5
    for expert in m.kernels.weight.chunk(4):
        assert 0.9 * bound < expert.abs().max() <= bound
