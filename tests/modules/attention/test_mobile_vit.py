"""MobileViT blocks against timm's, weights copied over, and their resizing at odd maps."""

from functools import partial

import pytest
import torch
from timm.layers import ConvNormAct
from timm.models.mobilevit import LayerFn, MobileVitBlock, MobileVitV2Block
from torch import nn
from torch.nn import functional as F

from plugnas.modules.attention.mobile_vit import MobileViT, MobileViTv2
from tests.modules.generic import copy_in_order, generic, rand, same

SILU = LayerFn(conv_norm_act=partial(ConvNormAct, act_layer=nn.SiLU), act=nn.SiLU)


def _ours_and_timm(depth, patch):
    ours = generic(MobileViT(8, depth=depth, patch=patch))
    assert ours.embed.out_channels == 12
    theirs = MobileVitBlock(
        8, transformer_dim=12, transformer_depth=depth, patch_size=patch, layers=SILU
    )
    return ours, theirs.double().eval()


@pytest.mark.parametrize(("depth", "patch"), [(1, 2), (2, 4)])
@pytest.mark.parametrize("size", [(8, 4), (5, 7), (1, 1)])
def test_equals_timm(depth, patch, size):
    ours, theirs = _ours_and_timm(depth, patch)
    with torch.no_grad():
        copy_in_order(theirs, ours)
        x = rand(2, 8, *size)
        same(ours(x), theirs(x))


def test_a_change_stays_in_its_place_of_the_patches():
    """Between the convolutions a pixel reaches only pixels of the same place in their patch."""
    module = generic(MobileViT(4, patch=2))
    module.local, module.merge = nn.Identity(), _Second()
    x = rand(1, 4, 6, 8)
    other = x.clone()
    other[..., 2, 5] += 1.0  # place (0, 1)
    (rows, columns) = (module(other) - module(x)).abs().sum((0, 1)).nonzero(as_tuple=True)
    assert len(rows) == 12
    assert (rows % 2 == 0).all()
    assert (columns % 2 == 1).all()


class _Second(nn.Module):
    """The second half of the channels."""

    def forward(self, x):
        return x.chunk(2, dim=1)[1]


@pytest.mark.parametrize(("depth", "patch"), [(1, 2), (2, 4)])
def test_version_2_equals_timm(depth, patch):
    ours = generic(MobileViTv2(8, depth=depth, patch=patch))
    theirs = MobileVitV2Block(
        8, bottle_ratio=0.5, transformer_dim=4, transformer_depth=depth, patch_size=patch,
        layers=SILU,
    )  # fmt: skip
    theirs = theirs.double().eval()
    with torch.no_grad():
        copy_in_order(theirs, ours)
        x = rand(2, 8, 8, 4)
        same(ours(x), theirs(x))


def test_version_2_resizes_between_its_convolutions():
    module = generic(MobileViTv2(6, depth=1))
    x = rand(2, 6, 3, 5)
    z = F.interpolate(module.embed(module.local(x)), size=(4, 6), mode="bilinear")
    layers = nn.Sequential(module.layers, module.norm)
    tokens = torch.stack(
        [z[:, :, i::2, j::2].flatten(2) for i in range(2) for j in range(2)], dim=2
    )
    y = layers(tokens)
    back = torch.empty_like(z)
    for place in range(4):
        back[:, :, place // 2 :: 2, place % 2 :: 2] = y[:, :, place].unflatten(2, (2, 3))
    same(module(x), module.project(F.interpolate(back, size=(3, 5), mode="bilinear")))
