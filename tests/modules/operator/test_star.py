"""The star block against timm's, weights copied over."""

import torch
from timm.models.starnet import Block
from torch.nn import functional as F

from plugnas.modules.operator.star import Star
from tests.modules.generic import batch_norm, generic, pointwise, rand, same


@torch.no_grad()
def test_equals_timm():
    ours, theirs = generic(Star(6, 6, expansion=3)), Block(6, 3).double().eval()
    # timm's convolutions before a norm have a bias that ours leave to the norm
    for (conv, norm), block in (
        (ours.filter, theirs.dwconv),
        (ours.project[0], theirs.g),
    ):
        block.conv.weight.copy_(conv.weight)
        block.conv.bias.zero_()
        block.bn.load_state_dict(norm.state_dict())
    theirs.f1.conv.load_state_dict(ours.left.state_dict())
    theirs.f2.conv.load_state_dict(ours.right.state_dict())
    theirs.dwconv2.conv.load_state_dict(ours.project[1].state_dict())
    x = rand(2, 6, 7, 8)
    assert (ours.left(ours.filter(x)) > 6).any()  # the upper bound of ReLU6 is at work
    same(ours(x), theirs(x))


@torch.no_grad()
def test_strided_and_widened_by_the_formula():
    m = generic(Star(4, 6, expansion=2, kernel_size=3, stride=2))
    x = rand(2, 4, 5, 7)
    z = batch_norm(F.conv2d(x, m.filter[0].weight, stride=2, padding=1, groups=4), m.filter[1])
    left, right = (pointwise(z, w.weight, w.bias) for w in (m.left, m.right))
    u = pointwise(left.clamp(0, 6) * right, m.project[0][0].weight)
    u = batch_norm(u, m.project[0][1])
    last = m.project[1]
    same(m(x), F.conv2d(u, last.weight, last.bias, padding=1, groups=6))


def test_the_residual_path_only_where_shapes_agree():
    for args, stride, skip in (((8, 8), 1, True), ((8, 8), 2, False), ((8, 4), 1, False)):
        assert Star(*args, stride=stride).skip == skip
    m = Star(8, 8, drop_path=0.999999).train()
    x = torch.randn(4, 8, 3, 3)
    assert torch.equal(m(x), x)  # every branch dropped
