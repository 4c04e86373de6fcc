"""ASPP against torchvision's, weights copied over; the separable form against its formula."""

import torch
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP as TorchvisionASPP

from plugnas import modules
from plugnas.modules.context.aspp import ASPP
from tests.modules.generic import generic, rand


def test_equals_torchvision():
    ours = generic(ASPP(6, dilations=(1, 2, 5)))
    theirs = TorchvisionASPP(6, [1, 2, 5], out_channels=6).double().eval()
    sources = [ours.point, *ours.dilated, ours.pooled]
    targets = [*list(theirs.convs)[:4], list(theirs.convs[4])[1:]]
    for source, target in zip([*sources, ours.project], [*targets, theirs.project], strict=True):
        target[0].load_state_dict(source[0].state_dict())
        target[1].load_state_dict(source[1].state_dict())
    x = rand(2, 6, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(modules.fuse(ours)(x), theirs(x), rtol=1e-9, atol=1e-9)


def test_separable_and_reduced():
    ours = generic(ASPP(8, dilations=(1, 3), reduction=4, separable=True))
    dense = generic(ASPP(8, dilations=(1, 3), reduction=4))
    for name in ("point", "pooled", "project"):
        getattr(dense, name).load_state_dict(getattr(ours, name).state_dict())
    with torch.no_grad():
        for chain, target in zip(ours.dilated, dense.dilated, strict=True):
            depthwise, point = chain[0].weight[:, 0], chain[1].weight[:, :, 0, 0]
            target[0].weight.copy_(torch.einsum("oc,cij->ocij", point, depthwise))
            target[1].load_state_dict(chain[2].state_dict())
    assert dense.project[0].in_channels == 4 * 2
    x = rand(2, 8, 5, 7)
    torch.testing.assert_close(ours(x), dense(x))
    torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)


def test_pooled_branch_is_the_resized_mean():
    ours = generic(ASPP(4, dilations=(2,)))
    x = rand(2, 4, 3, 5)
    pooled = ours.pooled(F.adaptive_avg_pool2d(x, 1))
    resized = F.interpolate(pooled, size=(3, 5), mode="bilinear", align_corners=False)
    branches = torch.cat([ours.point(x), ours.dilated[0](x), resized], 1)
    torch.testing.assert_close(ours(x), ours.project(branches))
