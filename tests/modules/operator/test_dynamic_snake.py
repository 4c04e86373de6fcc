"""Dynamic snake convolution against a walk along the line, point by point."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.dynamic_snake import DynamicSnake
from tests.modules.generic import bilinear, generic, rand, same


def _walk(snake, x, k, s, scope, horizontal):
    d = snake.offset[1](F.conv2d(x, snake.offset[0].weight, stride=s, padding=1)).tanh()
    reach, (batch, _, height, width) = k // 2, d.shape
    kernel = snake.conv.weight[:, :, 0, 0].unflatten(1, (x.shape[1], k))  # (Cout, Cin, K)
    y = torch.zeros(batch, kernel.shape[0], height, width, dtype=x.dtype)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                for side, first in ((-1, 0), (1, reach)):
                    bend = 0.0
                    for step in range(reach + 1):
                        if step == 0 and side == 1:
                            continue  # the centre once
                        if step > 0:
                            bend += float(d[b, first + step - 1, i, j])
                        along, across = side * step, scope * bend
                        if horizontal:
                            point = bilinear(x[b], s * i + across, s * j + along)
                        else:
                            point = bilinear(x[b], s * i + along, s * j + across)
                        y[b, :, i, j] += kernel[:, :, reach + along] @ point
    return y


@torch.no_grad()
def test_one_line_equals_the_walk():
    cases = [("horizontal", 5, 1, 1.0), ("vertical", 5, 2, 2.0), ("horizontal", 3, 2, 0.5)]
    for axis, k, s, scope in cases:
        m = DynamicSnake(3, 4, axis=axis, kernel_size=k, stride=s, extend_scope=scope)
        m = generic(m)
        x = rand(2, 3, 5, 4)
        same(m(x), _walk(m.branches[0], x, k, s, scope, axis == "horizontal"))


@torch.no_grad()
def test_both_lines_and_a_straight_convolution_joined():
    m = generic(DynamicSnake(3, 8, kernel_size=5, stride=2))
    x = rand(2, 3, 5, 6)
    maps = [
        F.conv2d(x, m.branches[0][0].weight, stride=2, padding=1),
        _walk(m.branches[1][0], x, 5, 2, 1.0, True),
        _walk(m.branches[2][0], x, 5, 2, 1.0, False),
    ]
    for i, branch in enumerate(m.branches):
        norm = branch[1]
        groups = maps[i].reshape(2, 2, -1)  # 8 // 4 groups
        mean, var = groups.mean(-1), groups.var(-1, unbiased=False)
        groups = (groups - mean[..., None]) / (var[..., None] + norm.eps).sqrt()
        z = groups.reshape(maps[i].shape)
        z = z * norm.weight[:, None, None] + norm.bias[:, None, None]
        maps[i] = z.clamp(min=0)
    same(m(x), F.conv2d(torch.cat(maps, 1), m.project.weight, padding=1))


def test_the_outermost_taps_learn():
    m = generic(DynamicSnake(3, 4, axis="horizontal", kernel_size=3)).requires_grad_()
    m(rand(2, 3, 5, 4)).square().sum().backward()
    assert (m.branches[0].offset[0].weight.grad.abs().amax((1, 2, 3)) > 0).all()
