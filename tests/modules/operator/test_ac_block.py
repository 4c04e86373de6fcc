"""ACNet's block against the sum of a cross of kernels; its deploy form."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.ac_block import AsymmetricConvolutionBlock as Block
from tests.modules.generic import check_deploy, generic, rand, same

CASES = [(3, 1, 1, 1), (5, 2, 1, 2), (3, 1, 2, 1), (7, 2, 1, 1)]


@torch.no_grad()
def test_equals_the_sum_of_three_normalised_convolutions():
    for k, s, d, groups in CASES:
        m = generic(Block(4, 6, kernel_size=k, stride=s, dilation=d, groups=groups))
        x = rand(2, 4, 9, 8)
        y = 0.0
        for branch, (down, across) in ((m.square, (k, k)), (m.tall, (k, 1)), (m.wide, (1, k))):
            conv, norm = branch
            assert conv.weight.shape[2:] == (down, across)
            # the thin kernel inside a k x k one of zeros: alignment is beyond doubt
            full = torch.zeros(6, 4 // groups, k, k, dtype=x.dtype)
            top, left = (k - down) // 2, (k - across) // 2
            full[:, :, top : top + down, left : left + across] = conv.weight
            z = F.conv2d(x, full, None, s, d * (k // 2), d, groups)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            z = (z - norm.running_mean[:, None, None]) * scale[:, None, None]
            y = y + z + norm.bias[:, None, None]
        same(m(x), y)


@torch.no_grad()
def test_deploy_form_is_one_convolution():
    x = rand(2, 4, 9, 8)
    for k, s, d, groups in CASES:
        m = Block(4, 6, kernel_size=k, stride=s, dilation=d, groups=groups)
        check_deploy(m, x)
        same(m.fuse()(x), m(x))  # also without modules.fuse having folded the branches


@torch.no_grad()
def test_a_watched_norm_is_left_alone():
    m = generic(Block(4, 6))
    m.tall[1].register_forward_hook(lambda *_: None)
    assert m.fuse() is m
