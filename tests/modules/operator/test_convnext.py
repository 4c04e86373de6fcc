"""ConvNeXt against timm's and torchvision's blocks, weights copied over; its entrance and fuse."""

import torch
from timm.layers import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from torch.nn import functional as F
from torchvision.models.convnext import CNBlock

from plugnas import modules
from plugnas.modules.operator.convnext import ConvNeXt
from tests.modules.generic import generic, rand, same

NAMES = {
    "conv_dw": "depthwise",
    "mlp.fc1": "expand",
    "mlp.fc2": "project",
    "mlp.grn": "respond",
}


def _timm(ours: ConvNeXt, **kind) -> ConvNeXtBlock:
    theirs = ConvNeXtBlock(8, **kind).double().eval()
    state = dict(ours.state_dict())
    for name, own in NAMES.items():
        state = {k.replace(own, name): v for k, v in state.items()}
    theirs.load_state_dict(state)
    return theirs


@torch.no_grad()
def test_equals_timm_in_both_versions():
    x = rand(2, 8, 9, 6)
    for k, e, grn in ((7, 4, False), (3, 2, True), (5, 4, True)):
        ours = generic(ConvNeXt(8, 8, kernel_size=k, expansion=e, grn=grn))
        scale = None if grn else 1e-6
        theirs = _timm(ours, kernel_size=k, mlp_ratio=e, use_grn=grn, ls_init_value=scale)
        same(ours(x), theirs(x))


@torch.no_grad()
def test_equals_torchvision():
    ours = generic(ConvNeXt(8, 8))
    theirs = CNBlock(8, 1e-6, 0.0).double().eval()
    names = {"depthwise": "block.0", "norm": "block.2", "expand": "block.3", "project": "block.5"}
    state = ours.state_dict()
    copied = {"layer_scale": state.pop("gamma")[:, None, None]}
    for name, value in state.items():
        layer, kind = name.rsplit(".", 1)
        copied[f"{names[layer]}.{kind}"] = value
    theirs.load_state_dict(copied)
    x = rand(1, 8, 8, 9)
    same(ours(x), theirs(x))


@torch.no_grad()
def test_enters_a_stage_by_the_papers_downsampling():
    ours = generic(ConvNeXt(4, 6, stride=2))
    norm, _, conv = ours.enter
    reference = LayerNorm2d(4, eps=1e-6).double()
    reference.load_state_dict(norm.state_dict())
    x = rand(2, 4, 5, 8)
    u = F.pad(reference(x), (0, 0, 0, 1))  # five rows become six
    v = torch.zeros(2, 6, 3, 4, dtype=x.dtype)
    for i in range(3):
        for j in range(4):
            cell = u[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            v[:, :, i, j] = torch.einsum("bcpq,ocpq->bo", cell, conv.weight) + conv.bias
    plain = ConvNeXt(6, 6).double().eval()
    rest = {k: v for k, v in ours.state_dict().items() if not k.startswith("enter")}
    plain.load_state_dict(rest)
    same(ours(x), plain(v))


@torch.no_grad()
def test_deploy_form_has_no_layer_scale():
    x = rand(2, 8, 5, 7)
    m = generic(ConvNeXt(8, 8))
    y = m(x)
    fused = modules.fuse(m)
    assert fused.gamma is None
    assert m.gamma is not None
    same(fused(x), y)
    same(m(x), y)
    v2 = generic(ConvNeXt(8, 8, grn=True))
    same(v2.fuse()(x), v2(x))


def test_starts_as_nearly_the_identity():
    torch.manual_seed(0)
    x = torch.randn(2, 8, 6, 6)
    assert (ConvNeXt(8, 8)(x) - x).abs().max() < 1e-4
    assert torch.equal(ConvNeXt(8, 8, grn=True).respond.weight, torch.zeros(32))
