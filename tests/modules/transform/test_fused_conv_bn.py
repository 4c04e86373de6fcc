"""Conv + BN: torch's own folding, and the same outputs before and after."""

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from plugnas import modules
from plugnas.modules.transform.fused_conv_bn import FusedConvBN
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"kernel_size": 5, "stride": 2}, {"dilation": 2, "groups": 2}, {"kernel_size": 1}],
)
def test_fuse(kwargs):
    torch.manual_seed(0)
    pair = scrambled(FusedConvBN(4, 6, **kwargs))
    fused = modules.fuse(nn.Sequential(pair, nn.ReLU()))
    assert type(fused[0]) is nn.Conv2d
    x = torch.randn(2, 4, 7, 5, dtype=torch.float64)
    close(fused(x), pair(x).relu())
    theirs = fuse_conv_bn_eval(pair.conv, pair.norm)
    close(fused[0].weight, theirs.weight)
    close(fused[0].bias, theirs.bias)


def test_forward_is_the_norm_of_the_convolution():
    torch.manual_seed(0)
    pair = scrambled(FusedConvBN(4, 6, stride=2))
    x = torch.randn(2, 4, 7, 5, dtype=torch.float64)
    y = nn.functional.conv2d(x, pair.conv.weight, stride=2, padding=1)
    n, view = pair.norm, (1, -1, 1, 1)
    z = (y - n.running_mean.view(view)) / torch.sqrt(n.running_var.view(view) + n.eps)
    close(pair(x), z * n.weight.view(view) + n.bias.view(view))


def test_hooked_pair_stays():
    pair = FusedConvBN(4, 4)
    pair.norm.register_forward_hook(lambda module, args, y: y.relu())
    assert isinstance(modules.fuse(pair), FusedConvBN)
