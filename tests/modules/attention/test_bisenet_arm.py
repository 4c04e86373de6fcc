"""The attention refinement module against its formula."""

import torch

from plugnas import modules
from plugnas.modules.attention.bisenet_arm import BiSeNetARM
from tests.modules.generic import batch_norm, conv_bn, generic, pointwise, rand


def test_equals_the_formula():
    for pre_conv in (False, True):
        ours = generic(BiSeNetARM(5, pre_conv=pre_conv))
        x = rand(2, 5, 3, 4)
        gated = conv_bn(x, ours.before).clamp(min=0) if pre_conv else x
        logits = pointwise(gated.flatten(2).mean(2), ours.gate[0].weight)
        gate = 1 / (1 + torch.exp(-batch_norm(logits, ours.gate[1])))
        expected = torch.einsum("bchw,bc->bchw", gated, gate)
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
