"""ULSAM against its formula, one subspace after the other."""

import torch

from plugnas import modules
from plugnas.modules.attention.ulsam import ULSAM
from tests.modules.generic import batch_norm, generic, rand


def test_equals_the_formula():
    for groups, used in ((2, 2), (4, 3)):
        ours = generic(ULSAM(6, groups=groups))
        x = rand(2, 6, 3, 4)
        width = 6 // used
        scaled = x * ours.depthwise[0].weight.reshape(1, 6, 1, 1)
        deep = batch_norm(scaled, ours.depthwise[1]).clamp(min=0)
        logits = x.new_zeros(2, used, 3, 4)
        for i in range(3):
            for j in range(4):
                near = deep[:, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
                near = near.flatten(2).amax(2)
                for s in range(used):
                    tap = ours.pointwise[0].weight[s].flatten()
                    logits[:, s, i, j] = near[:, s * width : (s + 1) * width] @ tap
        logits = batch_norm(logits, ours.pointwise[1]).clamp(min=0)
        expected = x.clone()
        for b in range(2):
            for c in range(6):
                weights = logits[b, c // width].exp()
                expected[b, c] += x[b, c] * weights / weights.sum()
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
