"""Self-calibrated convolution against a transcription of the paper's four convolutions."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.self_calibrated import SelfCalibratedConv
from tests.modules.generic import generic, rand, same


def k(pair, t):
    """A convolution and its norm, from their definitions."""
    conv, norm = pair[0], pair[1]
    radius = conv.kernel_size[0] // 2
    t = F.conv2d(F.pad(t, (radius,) * 4), conv.weight)
    view = (1, -1, 1, 1)
    t = (t - norm.running_mean.view(view)) / (norm.running_var + norm.eps).sqrt().view(view)
    return t * norm.weight.view(view) + norm.bias.view(view)


@pytest.mark.parametrize(
    ("pool_size", "stride", "size", "small"),
    [(4, 1, (9, 12), (2, 3)), (2, 2, (7, 4), (3, 2)), (4, 2, (3, 9), (1, 2))],
)
def test_formula(pool_size, stride, size, small):
    m = generic(SelfCalibratedConv(6, 8, stride=stride, pool_size=pool_size))
    x = rand(2, 6, *size)
    x1, x2 = x[:, :3], x[:, 3:]
    r = [min(pool_size, n) for n in size]
    pooled = torch.stack(
        [
            torch.stack(
                [
                    x1[:, :, i * r[0] : (i + 1) * r[0], j * r[1] : (j + 1) * r[1]].mean((2, 3))
                    for j in range(small[1])
                ],
                -1,
            )
            for i in range(small[0])
        ],
        -2,
    )
    t = F.interpolate(k(m.context, pooled), size=size, mode="bilinear", align_corners=False)
    calibrated = k(m.content, x1) / (1 + torch.exp(-(x1 + t)))
    y1 = F.conv2d(calibrated, m.calibrated.weight, stride=stride, padding=1)
    y2 = F.conv2d(x2, m.plain.weight, stride=stride, padding=1)
    same(m(x), torch.cat([y1, y2], 1))


@pytest.mark.parametrize("widths", [(1, 4), (4, 1), (1, 1), (3, 5)])
def test_few_channels(widths):
    x = torch.randn(2, widths[0], 3, 3)
    assert SelfCalibratedConv(*widths, stride=2)(x).shape == (2, widths[1], 2, 2)
