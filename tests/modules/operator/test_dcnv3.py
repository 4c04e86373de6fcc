"""DCNv3 against torchvision's deformable convolution with weights of one, and a loop."""

import torch
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

from plugnas.modules.operator.dcnv3 import DCNv3
from tests.modules.generic import bilinear, generic, rand, same


def _linear(layer, x):
    """A 1x1 convolution as a matrix product at the last axis."""
    return x @ layer.weight[:, :, 0, 0].T + layer.bias


def _features(m, x, s):
    dw = m.depthwise
    f = F.conv2d(x, dw.weight, dw.bias, s, 1, groups=x.shape[1]).permute(0, 2, 3, 1)
    mean, var = f.mean(-1, keepdim=True), f.var(-1, unbiased=False, keepdim=True)
    return F.gelu((f - mean) / (var + 1e-6).sqrt() * m.norm.weight + m.norm.bias)


@torch.no_grad()
def test_equals_torchvisions_operator_with_depthwise_ones():
    for k, s, groups in ((3, 1, 4), (5, 2, 2)):
        m = generic(DCNv3(8, 6, stride=s, kernel_size=k, groups=groups))
        x = rand(2, 8, 6, 7)
        f = _features(m, x, s)
        offset = _linear(m.offset, f).permute(0, 3, 1, 2)
        mask = _linear(m.mask, f).unflatten(-1, (groups, k * k)).softmax(-1)
        mask = mask.flatten(-2).permute(0, 3, 1, 2)
        value = _linear(m.value, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        ones = torch.ones(8, 1, k, k, dtype=x.dtype)
        y = deform_conv2d(value, offset, ones, None, s, k // 2, 1, mask)
        same(m(x), _linear(m.project, y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@torch.no_grad()
def test_scale_dilation_and_centre_point_by_point():
    z, d, s, k, groups = 1.5, 2, 2, 3, 2
    m = DCNv3(4, 4, stride=s, groups=groups, center_scale=True, offset_scale=z, dilation=d)
    m = generic(m)
    x = rand(1, 4, 5, 4)
    f = _features(m, x, s)[0]
    offset = _linear(m.offset, f).unflatten(-1, (groups, k * k, 2))
    mask = _linear(m.mask, f).unflatten(-1, (groups, k * k)).softmax(-1)
    a = _linear(m.center, f).sigmoid()
    value = _linear(m.value, x[0].permute(1, 2, 0)).permute(2, 0, 1)
    y = torch.zeros(4, 3, 2, dtype=x.dtype)
    for i in range(3):
        for j in range(2):
            for g in range(groups):
                part, out = value[2 * g : 2 * g + 2], torch.zeros(2, dtype=x.dtype)
                for t in range(k * k):
                    move = offset[i, j, g, t]
                    row = s * i + z * (d * (t // k - 1) + move[0])
                    column = s * j + z * (d * (t % k - 1) + move[1])
                    out += mask[i, j, g, t] * bilinear(part, float(row), float(column))
                here = part[:, s * i, s * j]
                y[2 * g : 2 * g + 2, i, j] = (1 - a[i, j, g]) * out + a[i, j, g] * here
    same(m(x)[0], _linear(m.project, y.permute(1, 2, 0)).permute(2, 0, 1))
