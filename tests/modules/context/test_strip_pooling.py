"""Strip pooling against a slow transcription of the paper."""

import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.context.strip_pooling import StripPooling
from tests.modules.generic import batch_norm, conv_bn, generic, pointwise, rand


def _strips(x, strips):
    height, width = x.shape[2:]
    rows = torch.stack([x[:, :, i, :].mean(2) for i in range(height)], 2)
    columns = torch.stack([x[:, :, :, j].mean(2) for j in range(width)], 2)
    vertical = strips.along_height[0].weight[:, :, :, 0]
    horizontal = strips.along_width[0].weight[:, :, 0, :]
    v = batch_norm(F.conv1d(rows, vertical, padding=1), strips.along_height[1])
    u = batch_norm(F.conv1d(columns, horizontal, padding=1), strips.along_width[1])
    y = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            y[:, :, i, j] = (v[:, :, i] + u[:, :, j]).clamp(min=0)
    return y


def _bins(x, rows, columns):
    """Adaptive average pool: bin i of n covers floor(i L / n) up to ceil((i + 1) L / n)."""
    height, width = x.shape[2:]
    y = x.new_empty(*x.shape[:2], rows, columns)
    for i in range(rows):
        top, bottom = i * height // rows, -(-(i + 1) * height // rows)
        for j in range(columns):
            left, right = j * width // columns, -(-(j + 1) * width // columns)
            y[:, :, i, j] = x[:, :, top:bottom, left:right].mean((2, 3))
    return y


def test_spm():
    ours = generic(StripPooling(4, form="spm"))
    x = rand(2, 4, 3, 5)
    body = ours.body
    gate = pointwise(_strips(x, body.strips), body.gate.weight, body.gate.bias)
    torch.testing.assert_close(ours(x), x / (1 + torch.exp(-gate)))
    torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)


def test_mpm():
    ours = generic(StripPooling(8, pool_sizes=(4, 2)))
    x = rand(2, 8, 3, 5)
    body = ours.body
    p = conv_bn(x, body.to_squares).relu()
    squares = conv_bn(p, body.local)
    for (rows, columns), block in zip(((3, 4), (2, 2)), body.pooled, strict=True):
        coarse = conv_bn(_bins(p, rows, columns), block)
        squares = squares + F.interpolate(coarse, size=(3, 5), mode="bilinear", align_corners=False)
    squares = conv_bn(squares.relu(), body.merge_squares).relu()
    strips = _strips(conv_bn(x, body.to_strips).relu(), body.strips)
    strips = conv_bn(strips, body.merge_strips).relu()
    both = conv_bn(torch.cat([squares, strips], 1), body.project)
    torch.testing.assert_close(ours(x), (x + both).relu())
    torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)
