"""Coordinate attention against timm's and, pixel by pixel, against the formula."""

import pytest
import torch
from timm.layers.coord_attn import CoordAttn
from torch.nn import functional as F

from plugnas.modules.attention.coord_attention import CoordinateAttention


def _generic(module):
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
        norm = module.encode[1]
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return module.double().eval()


@pytest.mark.parametrize("reduction", [2, 16])
def test_equals_timm(reduction):
    ours = _generic(CoordinateAttention(32, reduction=reduction))
    theirs = CoordAttn(32, rd_channels=max(8, 32 // reduction), se_factor=1, bias=True)
    theirs = theirs.double().eval()
    with torch.no_grad():
        theirs.conv1.weight.copy_(ours.encode[0].weight)
        theirs.conv1.bias.zero_()
        theirs.bn1.load_state_dict(ours.encode[1].state_dict())
        theirs.conv_h.load_state_dict(ours.row_gate.state_dict())
        theirs.conv_w.load_state_dict(ours.column_gate.state_dict())
    x = torch.randn(2, 32, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_pixel_by_the_formula():
    module = _generic(CoordinateAttention(6, reduction=8))
    x = torch.randn(1, 6, 3, 4, dtype=torch.float64)

    def code(mean):
        conv, norm = module.encode[0], module.encode[1]
        f = conv.weight[:, :, 0, 0] @ mean
        f = (f - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        return f * F.relu6(f + 3) / 6

    def gate(conv, f):
        return torch.sigmoid(conv.weight[:, :, 0, 0] @ f + conv.bias)

    i, j = 2, 1
    row = gate(module.row_gate, code(x[0, :, i, :].mean(-1)))
    column = gate(module.column_gate, code(x[0, :, :, j].mean(-1)))
    torch.testing.assert_close(module(x)[0, :, i, j], x[0, :, i, j] * row * column)
