"""Super token attention against the formula, pixel by pixel and cell by cell."""

import pytest
import torch

from plugnas.modules.attention.super_token import SuperTokenAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _near(i, j, cell, tokens):
    """The cells around that of a pixel, as far as they exist."""
    a, b = i // cell[0], j // cell[1]
    around = [(a + di, b + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
    return [place for place in around if place in tokens]


def _shares(x, tokens, cell):
    """The association of each pixel, which carries no gradient."""
    shares = {}
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            near = _near(i, j, cell, tokens)
            logits = torch.stack([x[:, i, j] @ tokens[t] for t in near]) / x.shape[0] ** 0.5
            shares[i, j] = dict(zip(near, logits.softmax(0).detach(), strict=True))
    return shares


def _updated(x, tokens, shares):
    updated = {}
    for t in tokens:
        linked = [(share[t], x[:, i, j]) for (i, j), share in shares.items() if t in share]
        updated[t] = sum(w * pixel for w, pixel in linked) / sum(w for w, _ in linked)
    return updated


def _refined(module, tokens):
    places = list(tokens)
    stacked = torch.stack([tokens[t] for t in places], dim=1)  # (C, n)
    y = []
    q, k, v = pointwise(module.qkv, stacked).chunk(3)
    for qh, kh, vh in zip(*(t.chunk(module.heads) for t in (q, k, v)), strict=True):
        y.append(vh @ (qh.T @ kh / qh.shape[0] ** 0.5).softmax(1).T)
    y = pointwise(module.out, torch.cat(y))
    return {t: y[:, n] for n, t in enumerate(places)}


@pytest.mark.parametrize(
    ("size", "cell", "iterations"), [((4, 6), 2, 1), ((5, 7), 2, 2), ((5, 3), 4, 1), ((1, 3), 2, 3)]
)
def test_equals_the_formula(size, cell, iterations):
    module = generic(SuperTokenAttention(8, cell=cell, iterations=iterations, heads=2))
    x = rand(8, *size).requires_grad_()
    cell = min(cell, size[0]), min(cell, size[1])
    members = {}
    for i in range(size[0]):
        for j in range(size[1]):
            members.setdefault((i // cell[0], j // cell[1]), []).append(x[:, i, j])
    tokens = {t: torch.stack(pixels).mean(0) for t, pixels in members.items()}
    for _ in range(iterations):
        shares = _shares(x, tokens, cell)
        tokens = _updated(x, tokens, shares)
    tokens = _refined(module, tokens)
    expected = torch.zeros_like(x).detach()
    for (i, j), share in shares.items():
        expected[:, i, j] = sum(w * tokens[t] for t, w in share.items())
    y = module(x[None])[0]
    torch.testing.assert_close(y, expected)
    weight = rand(*y.shape, seed=2)
    gradients = (torch.autograd.grad((t * weight).sum(), x)[0] for t in (y, expected))
    torch.testing.assert_close(*gradients)
