"""MS-CAM against its formula, position by position."""

import torch

from plugnas import modules
from plugnas.modules.attention.ms_cam import MSCAM
from tests.modules.generic import batch_norm, generic, pointwise, rand


def _bottleneck(x, branch):
    hidden = batch_norm(pointwise(x, branch[0][0].weight), branch[0][1]).clamp(min=0)
    return batch_norm(pointwise(hidden, branch[1][0].weight), branch[1][1])


def test_equals_the_formula():
    for reduction in (2, 4):
        ours = generic(MSCAM(8, reduction=reduction))
        x = rand(2, 8, 3, 5)
        total = _bottleneck(x.flatten(2).mean(2), ours.logits.global_branch)  # (B, C)
        expected = torch.empty_like(x)
        for i in range(3):
            for j in range(5):
                local = _bottleneck(x[:, :, i, j], ours.logits.local_branch)
                expected[:, :, i, j] = x[:, :, i, j] / (1 + torch.exp(-local - total))
        assert ours.logits.local_branch[0][0].out_channels == 8 // reduction
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
