"""Efficient multi-head self-attention against its formula, head by head, and torch's attention."""

import torch
from torch import nn
from torch.nn import functional as F

from plugnas.modules.mixer.emsa import EMSA
from tests.modules.generic import generic, rand


def _source(ours, x, size, s):
    """One sample (N, C): the coarser tokens, tap by tap."""
    if s == 1:
        return x
    height, width = size
    weight, padding = ours.coarsen.weight[:, 0], s // 2
    padded = F.pad(x.reshape(height, width, -1), (0, 0, padding, padding, padding, padding))
    tokens = []
    for i in range(0, height + 2 * padding - s, s):
        for j in range(0, width + 2 * padding - s, s):
            window = padded[i : i + s + 1, j : j + s + 1]
            taps = [weight[:, a, b] * window[a, b] for a in range(s + 1) for b in range(s + 1)]
            token = sum(taps) + ours.coarsen.bias
            centred = token - token.mean()
            token = centred / ((centred**2).mean() + ours.norm.eps) ** 0.5
            tokens.append(token * ours.norm.weight + ours.norm.bias)
    return torch.stack(tokens)


def _literal(ours, x, size, heads, s):
    source = _source(ours, x, size, s)
    q = x @ ours.query.weight.T + ours.query.bias
    k = source @ ours.key.weight.T
    v = source @ ours.value.weight.T + ours.value.bias
    q, k, v = (t.chunk(heads, dim=1) for t in (q, k, v))
    logits = [a @ b.T / a.shape[1] ** 0.5 for a, b in zip(q, k, strict=True)]
    joined = []
    for h in range(heads):
        if ours.mix is None:
            attention = logits[h].softmax(1)
        else:
            mixed = sum(ours.mix.weight[h, g, 0, 0] * logits[g] for g in range(heads))
            attention = mixed.softmax(1)
            variance = attention.var(unbiased=False)
            attention = (attention - attention.mean()) / (variance + 1e-5) ** 0.5
        joined.append(attention @ v[h])
    return torch.cat(joined, 1) @ ours.project.weight.T + ours.project.bias


def test_equals_the_formula():
    for heads, width, s, mix in (
        (2, None, 2, True), (3, 4, 1, True), (2, 5, 3, False), (1, None, 2, True),
    ):  # fmt: skip
        ours = generic(
            EMSA(6, heads=heads, head_channels=width, spatial_reduction=s, mix_heads=mix)
        )
        x = rand(2, 20, 6)
        for b in range(2):
            expected = _literal(ours, x[b], (4, 5), heads, s)
            torch.testing.assert_close(ours(x, size=(4, 5))[b], expected)


def test_plain_form_equals_torch():
    ours = generic(EMSA(8, heads=2, spatial_reduction=1, mix_heads=False))
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).double()
    linears = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([linear.weight for linear in linears]))
        theirs.in_proj_bias.copy_(
            torch.cat([ours.query.bias, torch.zeros(8).double(), ours.value.bias])
        )
        theirs.out_proj.load_state_dict(ours.project.state_dict())
    x = rand(2, 15, 8)
    torch.testing.assert_close(ours(x, size=(3, 5)), theirs(x, x, x)[0])
