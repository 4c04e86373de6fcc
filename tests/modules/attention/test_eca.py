"""ECA against timm's, weights copied over."""

import pytest
import torch
from timm.layers import EcaModule

from plugnas.modules.attention.eca import EfficientChannelAttention


@pytest.mark.parametrize(("channels", "kernel_size"), [(16, 5), (16, 0), (64, 0), (256, 0)])
def test_equals_timm(channels, kernel_size):
    ours = EfficientChannelAttention(channels, kernel_size=kernel_size).double()
    theirs = (
        EcaModule(kernel_size=kernel_size) if kernel_size else EcaModule(channels, gamma=2, beta=1)
    ).double()
    with torch.no_grad():
        theirs.conv.weight.copy_(ours.mix.weight)
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
