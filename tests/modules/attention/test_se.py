"""Squeeze-and-Excitation against timm's, weights copied over."""

import timm.layers
import torch

from plugnas.modules.attention.se import SqueezeExcitation


def test_equals_timm():
    ours = SqueezeExcitation(32, reduction=4)
    theirs = timm.layers.SEModule(32, rd_channels=8, bias=True)
    with torch.no_grad():
        theirs.fc1.weight.copy_(ours.squeeze.weight)
        theirs.fc2.weight.copy_(ours.excite.weight)
        theirs.fc1.bias.zero_()
        theirs.fc2.bias.zero_()
    x = torch.randn(2, 32, 5, 7)
    torch.testing.assert_close(ours(x), theirs(x))
