"""RepVGG's block against timm's, weights copied over, and its deploy form."""

import torch
from timm.models.byobnet import RepVggBlock

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.rep_vgg import RepVGG
from tests.modules.generic import check_deploy, copy_in_order, generic, rand, same

CASES = [(8, 8, 1, 1), (8, 8, 2, 2), (8, 12, 1, 4), (6, 9, 2, 1)]


@torch.no_grad()
def test_equals_timm_before_the_relu():
    for cin, cout, s, groups in CASES:
        ours = generic(RepVGG(cin, cout, stride=s, groups=groups))
        size = cin // groups if groups > 1 else 0
        theirs = RepVggBlock(cin, cout, stride=s, group_size=size).double().eval()
        copy_in_order(theirs.conv_kxk, ours.branches[0])
        copy_in_order(theirs.conv_1x1, ours.branches[1])
        assert (theirs.identity is None) == (len(ours.branches) == 2)
        if theirs.identity is not None:
            copy_in_order(theirs.identity, ours.branches[2])
        x = rand(2, cin, 7, 6)
        same(ours(x).relu(), theirs(x))


@torch.no_grad()
def test_deploy_form_is_one_3x3_convolution():
    for cin, cout, s, groups in CASES:
        x = rand(2, cin, 7, 6)
        m = RepVGG(cin, cout, stride=s, groups=groups)
        fused = check_deploy(m, x)
        assert fused.kernel_size == (3, 3)
        assert fused.groups == groups
        same(m.fuse()(x), m(x))  # also without modules.fuse having folded the branches


@torch.no_grad()
def test_a_watched_norm_is_left_alone():
    for branch in range(3):
        m = generic(RepVGG(4, 4))
        watched = m.branches[branch]
        norm = watched if branch == 2 else watched[1]
        norm.register_forward_hook(lambda *_: None)
        assert m.fuse() is m


def test_groups_that_do_not_fit_are_one_setting():
    entry = modules.get("rep_vgg")
    assert entry.canonical(Site(6, 8, 8, 1, 6), {"groups": 4}) == {"groups": 4}  # three groups
    assert entry.canonical(Site(5, 8, 8, 1, 6), {"groups": 4}) == {"groups": 1}
    assert entry.canonical(Site(10, 8, 8, 1, 6), {"groups": 4}) == {"groups": 2}
