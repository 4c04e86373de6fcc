"""Selective kernel against timm's (the paper's form) and against the formula (dense kernels)."""

import torch
from timm.layers import SelectiveKernel as TimmSelectiveKernel

from plugnas.modules.attention.sk import SelectiveKernel
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand


def test_paper_form_equals_timm():
    ours = generic(SelectiveKernel(16, groups=4, minimum=8, reduction=4))
    theirs = TimmSelectiveKernel(
        16, 16, kernel_size=[3, 5], groups=4, rd_channels=8, keep_3x3=True, split_input=False
    )
    theirs = theirs.double().eval()
    with torch.no_grad():
        for mine, other in zip(ours.branches, theirs.paths, strict=True):
            assert other.conv.dilation == mine[0].dilation
            other.conv.load_state_dict(mine[0].state_dict())
            other.bn.load_state_dict(mine[1].state_dict())
        theirs.attn.fc_reduce.load_state_dict(ours.squeeze[0].state_dict())
        theirs.attn.bn.load_state_dict(ours.squeeze[1].state_dict())
        theirs.attn.fc_select.weight.copy_(ours.select.weight[:, :, None, None])
    x = rand(2, 16, 5, 7)
    torch.testing.assert_close(ours(x), theirs(x))


def test_dense_kernels():
    module = SelectiveKernel(
        6, kernel_sizes=(1, 3, 5), reduction=2, groups=2, dilated=False, minimum=4
    )
    module = generic(module)
    assert module.squeeze[0].out_channels == 4
    x = rand(6, 3, 4)
    maps = [bn(norm, conv(layer, x)).relu() for layer, norm, _ in module.branches]
    z = bn(module.squeeze[1], pointwise(module.squeeze[0], sum(maps).mean((1, 2)))).relu()
    logits = (module.select.weight @ z).view(3, 6)
    weights = logits.exp() / logits.exp().sum(0)
    expected = sum(w[:, None, None] * u for w, u in zip(weights, maps, strict=True))
    torch.testing.assert_close(module(x[None])[0], expected)
