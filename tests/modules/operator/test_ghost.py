"""Ghost module against timm's, weights copied over."""

import torch
from timm.models.ghostnet import GhostModule
from torch import nn

from plugnas.modules.operator.ghost import Ghost
from tests.modules.generic import copy_in_order, generic, rand, same


def test_equals_timm():
    cases = [(2, 1, 3, 1, True), (3, 3, 5, 2, True), (4, 3, 3, 1, False)]
    for r, k, d, s, relu in cases:
        ours = Ghost(6, 14, reduction=r, kernel_size=k, cheap_kernel_size=d, stride=s, relu=relu)
        ours = generic(ours)
        act = nn.ReLU if relu else nn.Identity
        theirs = GhostModule(6, 14, k, r, d, s, act_layer=lambda act=act, **_: act())
        theirs = theirs.double().eval()
        copy_in_order(theirs, ours)
        x = rand(2, 6, 7, 8)
        same(ours(x), theirs(x))


def test_no_cheap_branch_where_nothing_is_left_to_make():
    for module in (Ghost(6, 14, reduction=1), Ghost(6, 1)):
        module = generic(module)
        x = rand(2, 6, 7, 8)
        conv, norm, act = module.primary
        assert module.cheap is None
        assert torch.equal(module(x), act(norm(conv(x))))
