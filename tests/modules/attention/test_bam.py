"""BAM against its formula in both modes."""

import torch

from plugnas import modules
from plugnas.modules.attention.bam import BAM
from tests.modules.generic import batch_norm, conv_bn, generic, pointwise, rand


def test_equals_the_formula():
    for mode, reduction, dilation in (("sum", 2, 2), ("product", 4, 1)):
        ours = generic(BAM(8, reduction=reduction, dilation=dilation, mode=mode))
        x = rand(2, 8, 5, 6)
        first, last = ours.channel
        hidden = batch_norm(pointwise(x.flatten(2).mean(2), first[0].weight), first[1])
        channel = pointwise(hidden.clamp(min=0), last.weight, last.bias)
        s = conv_bn(x, ours.spatial[0]).clamp(min=0)
        s = conv_bn(s, ours.spatial[1], dilation).clamp(min=0)
        s = conv_bn(s, ours.spatial[2], dilation).clamp(min=0)
        spatial = pointwise(s, ours.spatial[3].weight, ours.spatial[3].bias)[:, 0]
        assert hidden.shape == (2, 8 // reduction)
        for c in range(8):
            logits = channel[:, c, None, None]
            logits = logits + spatial if mode == "sum" else logits * spatial
            expected = x[:, c] + x[:, c] / (1 + torch.exp(-logits))
            torch.testing.assert_close(ours(x)[:, c], expected)
        torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)
