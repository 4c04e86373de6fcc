"""InceptionNeXt against timm's block, weights copied over; its entrance and deploy form."""

import torch
from timm.models.inception_next import InceptionDWConv2d, MetaNeXtBlock
from torch import nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.inception_next import InceptionNeXt
from tests.modules.generic import batch_norm, copy_in_order, generic, rand, same


def _timm(ours: InceptionNeXt, width: int, k: int, e: int) -> nn.Module:
    def mixer(dim, dilation=1, **_):
        return InceptionDWConv2d(dim, band_kernel_size=k)

    theirs = MetaNeXtBlock(width, token_mixer=mixer, mlp_ratio=e).double().eval()
    copy_in_order(theirs.token_mixer, ours.filter)
    copy_in_order(theirs.norm, ours.wide[0])
    copy_in_order(theirs.mlp.fc1, ours.wide[1])
    copy_in_order(theirs.mlp.fc2, ours.wide[3])
    theirs.gamma.copy_(ours.gamma.flatten())
    return theirs


@torch.no_grad()
def test_equals_timm():
    for width, k, e in ((16, 11, 4), (19, 7, 2)):
        ours = generic(InceptionNeXt(width, width, kernel_size=k, expansion=e))
        x = rand(2, width, 9, 8)
        same(ours(x), _timm(ours, width, k, e)(x))


@torch.no_grad()
def test_the_filter_alone():
    ours = generic(InceptionNeXt(16, 16, expansion=0))
    theirs = InceptionDWConv2d(16).double()
    copy_in_order(theirs, ours.filter)
    x = rand(2, 16, 9, 8)
    same(ours(x), theirs(x))
    assert torch.equal(ours(x)[:, :10], x[:, :10])


@torch.no_grad()
def test_enters_a_stage_by_the_papers_downsampling():
    ours = generic(InceptionNeXt(6, 16, stride=2))
    norm, _, conv = ours.enter
    x = rand(2, 6, 5, 4)
    u = torch.zeros(2, 6, 6, 4, dtype=x.dtype)
    u[:, :, :5] = batch_norm(x, norm)
    v = torch.zeros(2, 16, 3, 2, dtype=x.dtype)
    for i in range(3):
        for j in range(2):
            cell = u[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            v[:, :, i, j] = torch.einsum("bcpq,ocpq->bo", cell, conv.weight) + conv.bias
    same(ours(x), _timm(ours, 16, 11, 4)(v))


@torch.no_grad()
def test_deploy_form_has_no_layer_scale():
    m = generic(InceptionNeXt(6, 8, stride=2))
    x = rand(1, 6, 7, 5)
    fused = modules.fuse(m)
    same(fused(x), m(x))
    assert fused.gamma is None
    assert m.gamma is not None
    plain = generic(InceptionNeXt(6, 8, expansion=0))
    same(plain.fuse()(x), plain(x))


@torch.no_grad()
def test_narrow_widths():
    m = generic(InceptionNeXt(3, 3, expansion=0))
    x = rand(1, 3, 5, 5)
    assert not torch.isclose(m(x), x).all((2, 3)).any()  # one channel for each filter
    assert torch.equal(generic(InceptionNeXt(2, 2, expansion=0))(x[:, :2]), x[:, :2])
    entry = modules.get("inception_next")
    assert entry.canonical(Site(2, 8, 8), {"kernel_size": 11})["kernel_size"] == 7
    assert entry.canonical(Site(3, 8, 8), {"kernel_size": 11})["kernel_size"] == 11
