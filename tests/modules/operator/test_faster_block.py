"""FasterNet's block against timm's, weights copied over."""

import torch
from timm.models.fasternet import MLPBlock, PatchMerging

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.faster_block import FasterBlock
from tests.modules.generic import check_deploy, copy_in_order, generic, rand, same


def _timm(ours: FasterBlock, width: int, reduction: int, expansion: int) -> MLPBlock:
    theirs = MLPBlock(width, reduction, expansion, 0.0, 0.0).double().eval()
    copy_in_order(theirs.spatial_mixing, ours.partial)
    copy_in_order(theirs.mlp[:2], ours.expand)
    copy_in_order(theirs.mlp[3], ours.project)
    return theirs


@torch.no_grad()
def test_equals_timm():
    x = rand(2, 8, 7, 5)
    for r, e in ((4, 2), (2, 4), (8, 2)):
        ours = generic(FasterBlock(8, 8, reduction=r, expansion=e))
        same(ours(x), _timm(ours, 8, r, e)(x))


@torch.no_grad()
def test_merges_patches_where_the_shape_changes():
    ours = generic(FasterBlock(4, 8, stride=2))
    merging = PatchMerging(4).double().eval()
    copy_in_order(merging, ours.enter)
    x = rand(2, 4, 6, 8)
    same(ours(x), _timm(ours, 8, 4, 2)(merging(x)))
    odd = torch.nn.functional.pad(x[:, :, :5, :7], (0, 1, 0, 1))
    same(ours(x[:, :, :5, :7]), ours(odd))


def test_norms_fold():
    check_deploy(FasterBlock(4, 6, stride=2), rand(2, 4, 6, 6), FasterBlock)


def test_a_part_cannot_be_thinner_than_one_channel():
    entry = modules.get("faster_block")
    narrow = Site(9, 8, 8, 1, 3)
    assert entry.canonical(narrow, {"reduction": 8})["reduction"] == 2
    assert entry.canonical(Site(9, 8, 8, 1, 9), {"reduction": 8})["reduction"] == 8
