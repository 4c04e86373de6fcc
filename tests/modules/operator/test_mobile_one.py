"""MobileOne's block against two of timm's, weights copied over; the deploy form."""

import pytest
import torch
from timm.models.byobnet import MobileOneBlock
from torch import nn

from plugnas.modules import AdoptError
from plugnas.modules.operator.mobile_one import MobileOne
from tests.modules.generic import check_deploy, copy_in_order, generic, rand, same


def _timm(branches, cin, cout, count, **kind):
    theirs = MobileOneBlock(cin, cout, num_conv_branches=count, **kind).double().eval()
    ours = list(branches.branches)
    for conv in theirs.conv_kxk:
        copy_in_order(conv, ours.pop(0))
    if theirs.conv_scale is not None:
        copy_in_order(theirs.conv_scale, ours.pop(0))
    if theirs.identity is not None:
        copy_in_order(theirs.identity, ours.pop(0))
    assert not ours
    return theirs


@torch.no_grad()
def test_equals_timm_before_the_last_relu():
    for cin, cout, s, count in ((6, 6, 1, 4), (6, 8, 2, 1), (4, 4, 2, 2)):
        m = generic(MobileOne(cin, cout, stride=s, branches=count))
        deep = _timm(m.layers[0], cin, cin, count, stride=s, group_size=1)
        wide = _timm(m.layers[2], cin, cout, count, kernel_size=1)
        x = rand(2, cin, 7, 6)
        same(m(x).relu(), wide(deep(x)))
        m = generic(MobileOne(cin, cout, stride=s, branches=count, separable=False))
        same(m(x).relu(), _timm(m.layers[0], cin, cout, count, stride=s)(x))


@torch.no_grad()
def test_deploy_form_has_one_convolution_for_each_sum():
    x = rand(1, 4, 6, 7)
    fused = check_deploy(MobileOne(4, 4, branches=2), x, nn.Sequential)
    assert [type(layer) for layer in fused] == [nn.Conv2d, nn.ReLU, nn.Conv2d]
    assert fused[0].groups == 4
    check_deploy(MobileOne(4, 6, stride=2, separable=False), x)
    m = generic(MobileOne(4, 6))
    same(m.fuse()(x), m(x))  # also without modules.fuse having folded the branches


def test_a_pair_with_an_activation_between_holds_no_convolution():
    with pytest.raises(AdoptError, match="take separable=False"):
        MobileOne(4, 6).adopt(nn.Conv2d(4, 6, 3, padding=1))
