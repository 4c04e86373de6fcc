"""The ghost module of GhostNetV2 against timm's, weights copied over."""

import pytest
import torch
from timm.models.ghostnet import GhostModuleV2

from plugnas.modules.operator.ghost_v2 import GhostV2
from tests.modules.generic import copy_in_order, generic, rand, same


@torch.no_grad()
@pytest.mark.parametrize(
    ("reduction", "kernel", "stride", "size"),
    [(2, 1, 1, (8, 6)), (3, 3, 2, (8, 10)), (4, 1, 2, (7, 9)), (2, 3, 1, (5, 4))],
)
def test_equals_timm(reduction, kernel, stride, size):
    ours = GhostV2(6, 14, reduction=reduction, kernel_size=kernel, stride=stride)
    ours = generic(ours)
    theirs = GhostModuleV2(6, 14, kernel, reduction, 3, stride).double().eval()
    copy_in_order(theirs, ours)
    x = rand(2, 6, *size)
    same(ours(x), theirs(x))


@torch.no_grad()
def test_one_pixel_gates_itself():
    m = generic(GhostV2(6, 8, attention_kernel_size=7))
    x = rand(2, 6, 1, 1)
    same(m(x), m.ghost(x) * m.gate(x).sigmoid())
    line = rand(2, 6, 1, 4)
    pooled = (line[..., ::2] + line[..., 1::2]) / 2
    gate = m.gate(pooled).sigmoid().repeat_interleave(2, dim=3)
    same(m(line), m.ghost(line) * gate)
