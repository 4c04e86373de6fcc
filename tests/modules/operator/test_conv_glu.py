"""Convolutional GLU against its formula, the gated CNN block against timm's."""

import torch
from timm.models.mambaout import GatedConvBlock
from torch.nn import functional as F

from plugnas.modules.operator.conv_glu import ConvGLU
from tests.modules.generic import conv_same, generic, pointwise, rand, same


def _gelu(x):
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def _depthwise(x, conv, stride=1):
    y = [
        conv_same(x[:, c : c + 1], conv.weight[c : c + 1]) + conv.bias[c] for c in range(x.shape[1])
    ]
    return torch.cat(y, dim=1)[:, :, ::stride, ::stride]


def _means(x, s):
    rows, columns = range(0, x.shape[2], s), range(0, x.shape[3], s)
    lines = [
        torch.stack([x[:, :, i : i + s, j : j + s].mean((2, 3)) for j in columns], 2) for i in rows
    ]
    return torch.stack(lines, dim=2)


@torch.no_grad()
def test_conv_glu_equals_its_formula():
    for cin, cout, e, s in ((6, 6, 4, 1), (5, 7, 2, 2)):
        m = generic(ConvGLU(cin, cout, expansion=e, stride=s))
        hidden = int(2 * e * cin / 3)
        x = rand(2, cin, 5, 4)
        weight, bias = m.expand.weight, m.expand.bias
        g = pointwise(x, weight[:hidden], bias[:hidden])
        v = pointwise(x, weight[hidden:], bias[hidden:])
        gated = _gelu(_depthwise(g, m.depthwise, s)) * (_means(v, s) if s > 1 else v)
        same(m(x), pointwise(gated, m.project.weight, m.project.bias))


@torch.no_grad()
def test_gated_cnn_equals_timm():
    for e in (4, 2):
        ours = generic(ConvGLU(6, 6, form="gated_cnn", expansion=e))
        theirs = GatedConvBlock(6, 2 * e / 3)
        theirs = theirs.double().eval()
        names = {"norm": "norm", "expand": "fc1", "depthwise": "conv", "project": "fc2"}
        state = {}
        for name, value in ours.state_dict().items():
            layer, kind = name.split(".")
            state[f"{names[layer]}.{kind}"] = value
        theirs.load_state_dict(state)
        x = rand(2, 6, 9, 8)
        same(ours(x), theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@torch.no_grad()
def test_gated_cnn_with_a_stride():
    m = generic(ConvGLU(4, 6, form="gated_cnn", stride=2))
    x = rand(1, 4, 7, 5)
    normed = F.layer_norm(x.movedim(1, -1), (4,), m.norm.weight, m.norm.bias, 1e-6).movedim(-1, 1)
    u = pointwise(normed, m.expand.weight, m.expand.bias)
    g, i, c = u.split([10, 6, 4], dim=1)
    value = torch.cat([_means(i, 2), _depthwise(c, m.depthwise, 2)], dim=1)
    same(m(x), pointwise(_gelu(_means(g, 2)) * value, m.project.weight, m.project.bias))
