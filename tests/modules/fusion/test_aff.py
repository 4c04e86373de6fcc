"""AFF and iAFF against transcriptions that spell out every branch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.modules.fusion.aff import AttentionalFusion, IterativeAttentionalFusion
from tests.modules.test_fuse import close, scrambled


def layers(branch):
    """The convolutions and norms of a branch, in order: conv, norm, conv, norm."""
    return [m for m in branch.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]


def bottleneck(branch, s):
    conv1, norm1, conv2, norm2 = layers(branch)
    for conv, norm, last in ((conv1, norm1, False), (conv2, norm2, True)):
        s = torch.einsum("bchw,oc->bohw", s, conv.weight[:, :, 0, 0])
        s = F.batch_norm(s, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        s = s if last else s.clamp(min=0)
    return s


def shares(logits, s):
    pooled = s.sum((2, 3), keepdim=True) / (s.shape[2] * s.shape[3])
    total = bottleneck(logits.local_branch, s) + bottleneck(logits.global_branch, pooled)
    return 1 / (1 + torch.exp(-total))


def pair():
    torch.manual_seed(0)
    x = torch.randn(2, 8, 3, 5, dtype=torch.float64)
    return x, torch.randn(2, 8, 3, 5, dtype=torch.float64)


@pytest.mark.parametrize(("reduction", "form", "factor"), [(4, "paper", 1), (2, "doubled", 2)])
def test_aff(reduction, form, factor):
    x, y = pair()
    module = scrambled(AttentionalFusion(8, reduction=reduction, form=form))
    assert layers(module.logits.local_branch)[0].out_channels == 8 // reduction
    m = shares(module.logits, x + y)
    close(module(x, y), factor * m * x + factor * (1 - m) * y)


@pytest.mark.parametrize("reduction", [2, 4])
def test_iaff(reduction):
    x, y = pair()
    module = scrambled(IterativeAttentionalFusion(8, reduction=reduction))
    m1 = shares(module.first, x + y)
    z = m1 * x + (1 - m1) * y
    m2 = shares(module.second, z)
    close(module(x, y), m2 * x + (1 - m2) * y)


@pytest.mark.parametrize("cls", [AttentionalFusion, IterativeAttentionalFusion])
def test_coarser_map(cls):
    module = scrambled(cls(8))
    x, _ = pair()
    y = torch.randn(2, 8, 2, 2, dtype=torch.float64)
    close(module(x, y), module(x, F.interpolate(y, size=(3, 5), mode="bilinear")))
