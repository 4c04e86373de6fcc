"""The selective scan against its recurrence, pixel by pixel, and the tree against a loop."""

import pytest
import torch

from plugnas.modules.attention.ss2d import SS2D, linear_recurrence
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("length", [1, 2, 5, 8, 9, 63, 64, 65, 130])
def test_tree_equals_the_loop(length):
    keep, add = rand(2, length, 3, seed=1), rand(2, length, 3, seed=2)
    h, states = torch.zeros(2, 3, dtype=torch.float64), []
    for i in range(length):
        h = keep[:, i] * h + add[:, i]
        states.append(h)
    same(linear_recurrence(keep, add), torch.stack(states, dim=1))


def test_long_sequences_neither_overflow_nor_fade():
    """What is kept whole adds up; what is kept by a half settles at twice what is added."""
    ones = torch.ones(1, 5000, 1)
    same(linear_recurrence(ones, ones)[0, :, 0], torch.arange(1.0, 5001.0))
    assert linear_recurrence(0.5 * ones, ones)[0, -1, 0].item() == 2.0


def _orders(height, width):
    rows = [(i, j) for i in range(height) for j in range(width)]
    columns = [(i, j) for j in range(width) for i in range(height)]
    return rows, columns, rows[::-1], columns[::-1]


def _reference(module, x, states):
    inner = module.out.in_channels
    rank = module.step.shape[2]
    projected = pointwise(module.project, x)
    u = conv(module.local, projected[:inner])
    u = u / (1 + (-u).exp())
    total = torch.zeros_like(u)
    a = -module.log_decay.exp()
    for g, order in enumerate(_orders(*x.shape[1:])):
        rows = module.select.weight.view(4, rank + 2 * states, inner)[g]
        h = torch.zeros(inner, states, dtype=x.dtype)
        for i, j in order:
            now = u[:, i, j]
            r, b, c = (rows @ now).split([rank, states, states])
            t = (1 + (module.step[g] @ r + module.step_bias[g]).exp()).log()
            for d in range(inner):
                for n in range(states):
                    h[d, n] = (t[d] * a[g, d, n]).exp() * h[d, n] + t[d] * b[n] * now[d]
            total[:, i, j] += h @ c + module.skip[g] * now
    centred = total - total.mean(0)
    y = centred / ((centred**2).mean(0) + module.norm.eps).sqrt()
    y = y * module.norm.weight[:, None, None] + module.norm.bias[:, None, None]
    if module.gated:
        z = projected[inner:]
        y = y * z / (1 + (-z).exp())
    return pointwise(module.out, y)


@pytest.mark.parametrize(
    ("states", "gated", "expansion"), [(1, False, 1), (3, True, 2), (2, False, 2)]
)
def test_equals_the_recurrence(states, gated, expansion):
    module = generic(SS2D(4, states=states, gated=gated, expansion=expansion))
    x = rand(4, 3, 5)
    same(module(x[None])[0], _reference(module, x, states))


def test_every_pixel_reaches_every_other():
    module = SS2D(4).double()
    x = rand(1, 4, 6, 5).requires_grad_()
    module(x)[0, :, 3, 2].square().sum().backward()
    assert (x.grad[0].abs().sum(0) > 0).all()


def test_starts_with_steps_from_a_thousandth_to_a_tenth():
    steps = torch.nn.functional.softplus(SS2D(64).step_bias)
    assert 0.00099 < steps.min() < 0.003
    assert 0.05 < steps.max() < 0.1001
    assert SS2D(8, states=3).log_decay.exp()[0, 0].tolist() == pytest.approx([1, 2, 3])


def test_half_precision_keeps_the_recurrence_in_float32():
    module = SS2D(8, states=2)
    x = rand(1, 8, 24, 24).float()
    expected = module(x)
    y = module.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert (y.float() - expected).abs().max() < 0.05 * expected.abs().max()
