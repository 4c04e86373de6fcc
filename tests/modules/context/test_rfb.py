"""The receptive field block against its formula, branch by branch."""

import torch

from plugnas import modules
from plugnas.modules.context.rfb import RFB
from tests.modules.generic import conv_bn, generic, rand


def _run(x, branch, expected):
    """A branch whose convolutions have the expected (output channels, kernel, dilation)."""
    for i, (width, kernel, dilation) in enumerate(expected):
        assert tuple(branch[i][0].weight.shape[::2]) == (width, kernel[0])
        assert branch[i][0].kernel_size == kernel
        x = conv_bn(x, branch[i], dilation)
        x = x if i == len(expected) - 1 else x.clamp(min=0)
    assert len(branch) == len(expected)
    return x


def test_equals_the_formula():
    one, three, tall, wide = (1, 1), (3, 3), (3, 1), (1, 3)
    large = [  # 16 channels: c = 2, dilation 2
        [(4, one, 1), (4, three, 2)],
        [(2, one, 1), (4, three, 1), (4, three, 3)],
        [(2, one, 1), (3, three, 1), (4, three, 1), (4, three, 5)],
    ]
    small = [  # c = 4
        [(4, one, 1), (4, three, 1)],
        [(4, one, 1), (4, tall, 1), (4, three, 3)],
        [(4, one, 1), (4, wide, 1), (4, three, 3)],
        [(2, one, 1), (3, wide, 1), (4, tall, 1), (4, three, 5)],
    ]
    for form, scale, branches in (("rfb", 1.0, large), ("rfb_s", 0.1, small)):
        ours = generic(RFB(16, scale=scale, dilation=2, form=form))
        x = rand(2, 16, 5, 6)
        maps = [_run(x, b, e) for b, e in zip(ours.branches, branches, strict=True)]
        u = conv_bn(torch.cat(maps, 1), ours.merge)
        expected = (scale * u + conv_bn(x, ours.shortcut)).clamp(min=0)
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
