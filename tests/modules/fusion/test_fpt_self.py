"""The self transformer against loops over samples, parts and positions."""

import pytest
import torch

from plugnas.modules.fusion.fpt_self import FPTSelf
from tests.modules.test_fuse import close, scrambled


def batch_norm(norm, y):
    """Eval-mode norm of (C, N), written out."""
    scale = norm.weight / (norm.running_var + norm.eps) ** 0.5
    return (y - norm.running_mean[:, None]) * scale[:, None] + norm.bias[:, None]


def affine(conv, s):
    return conv.weight[:, :, 0, 0] @ s + conv.bias[:, None]


def reference(module, s, mode, parts):
    """(C, N) -> (C, N)."""
    q, k, v = affine(module.query, s), affine(module.key, s), affine(module.value, s)
    inner, n = q.shape
    affinity = torch.zeros(n, n, dtype=torch.float64)
    if mode == "dot":
        for i in range(n):
            for j in range(n):
                affinity[i, j] = (q[:, i] * k[:, j]).sum() / n
    else:
        pi = [1.0]
        if parts > 1:
            logits = torch.stack([module.mix.weight[m] @ k.mean(1) for m in range(parts)])
            pi = torch.exp(logits) / torch.exp(logits).sum()
        width = inner // parts
        for m in range(parts):
            rows = slice(m * width, (m + 1) * width)
            for i in range(n):
                logits = torch.stack([q[rows, i] @ k[rows, j] for j in range(n)])
                affinity[i] += pi[m] * torch.exp(logits) / torch.exp(logits).sum()
    attended = torch.stack([sum(affinity[i, j] * v[:, j] for j in range(n)) for i in range(n)], 1)
    return s + batch_norm(module.project[1], affine(module.project[0], attended))


@pytest.mark.parametrize(
    ("mode", "mixtures"), [("mos", 2), ("mos", 4), ("embedded", 1), ("dot", 1)]
)
def test_formula(mode, mixtures):
    torch.manual_seed(0)
    module = FPTSelf(6, mode=mode, mixtures=mixtures)
    assert module.query.out_channels == {2: 4, 4: 4, 1: 3}[mixtures]
    module = scrambled(module)
    x, y = (0.4 * torch.randn(2, 6, 3, 2, dtype=torch.float64) for _ in range(2))
    out = module(x, y)
    for b in range(2):
        expected = reference(module, (x + y)[b].flatten(1), mode, mixtures)
        torch.testing.assert_close(out[b].flatten(1), expected, rtol=1e-9, atol=1e-9)


def test_starts_as_addition_and_resizes():
    module = FPTSelf(4)
    x, y = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 3, 4)
    close(module(x, y), x + torch.nn.functional.interpolate(y, size=(6, 8), mode="bilinear"))


def test_one_map_alone():
    """The mechanism as it is in the paper, before anything is fused."""
    module = scrambled(FPTSelf(4))
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    close(module(x), module(x, torch.zeros_like(x)))
