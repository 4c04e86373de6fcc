"""The high-resolution module against timm's, weights copied over; its entry against loops."""

import pytest
import torch
from timm.models.hrnet import HighResolutionModule as Theirs
from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.stage.hrnet import HighResolutionModule, HighResolutionStage
from tests.modules.generic import copy_in_order, generic, rand, same


@pytest.mark.parametrize(
    ("widths", "depth", "block", "multi_scale"),
    [
        ((4, 8), 2, "basic", True),
        ((4, 8, 12), 1, "basic", True),
        ((4, 8, 16), 1, "bottleneck", False),
        ((4, 8, 12, 16), 1, "bottleneck", True),
    ],
)
def test_equals_timm(widths, depth, block, multi_scale):
    ours = generic(HighResolutionModule(widths, depth=depth, block=block, multi_scale=multi_scale))
    n = len(widths)
    inner = widths if block == "basic" else [w // 4 for w in widths]
    kind = BasicBlock if block == "basic" else Bottleneck
    theirs = Theirs(
        n, kind, [depth] * n, list(widths), list(inner), "SUM", multi_scale_output=multi_scale
    )
    theirs = theirs.double().eval()
    copy_in_order(theirs, ours)
    size = (8, 16)
    maps = [rand(2, w, size[0] >> i, size[1] >> i, seed=i) for i, w in enumerate(widths)]
    kept = [m.clone() for m in maps]
    outputs = ours(maps)
    expected = theirs([m.clone() for m in maps])
    assert len(outputs) == len(expected) == (n if multi_scale else 1)
    for a, b in zip(outputs, expected, strict=True):
        same(a, b)
    assert all(torch.equal(a, b) for a, b in zip(kept, maps, strict=True))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_stage(block):
    stage = generic(HighResolutionStage(3, branches=3, block=block))
    x = rand(2, 3, 7, 5)
    maps = [x]
    for pair in stage.transitions:
        conv, n = pair[0], pair[1]
        z = F.conv2d(maps[-1], conv.weight, stride=2, padding=1)
        z = F.batch_norm(z, n.running_mean, n.running_var, n.weight, n.bias)
        maps.append(z.clamp(min=0))
    assert [m.shape[1:] for m in maps] == [(3, 7, 5), (6, 4, 3), (12, 2, 2)]
    refined = [b(m) for b, m in zip(stage.module.branches, maps, strict=True)]
    total = refined[0]
    for j, path in enumerate(stage.module.exchanges[0].paths):
        if j:
            total = total + nn.Upsample((7, 5), mode="nearest")(path(refined[j]))
    y = stage(x)
    same(y, total.clamp(min=0))
    same(modules.fuse(stage)(x), y)
