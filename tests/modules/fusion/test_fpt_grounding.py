"""The grounding transformer against loops over samples, parts and pairs of positions."""

import pytest
import torch

from plugnas.modules.fusion.fpt_grounding import FPTGrounding
from tests.modules.fusion.test_fpt_self import affine, batch_norm
from tests.modules.test_fuse import scrambled


def weights(module, q, k, mode, parts):
    n, m = q.shape[1], k.shape[1]
    a = torch.zeros(n, m, dtype=torch.float64)
    if mode == "dot":
        for i in range(n):
            for j in range(m):
                a[i, j] = torch.dot(q[:, i], k[:, j]) / m
        return a
    similarity = torch.zeros(parts, n, m, dtype=torch.float64)
    for p, (qp, kp) in enumerate(zip(q.chunk(parts), k.chunk(parts), strict=True)):
        for i in range(n):
            for j in range(m):
                if mode == "embedded":
                    similarity[p, i, j] = torch.dot(qp[:, i], kp[:, j])
                else:
                    similarity[p, i, j] = -((qp[:, i] - kp[:, j]) ** 2).sum()
    pi = torch.ones(1, dtype=torch.float64)
    if parts > 1:
        pi = torch.softmax(module.mix.weight @ k.mean(1), 0)
    for p in range(parts):
        a += pi[p] * torch.softmax(similarity[p], -1)
    return a


@pytest.mark.parametrize(
    ("mode", "reduction", "parts"),
    [("mos_euclidean", 2, 2), ("mos_euclidean", 4, 3), ("embedded", 2, 1), ("dot", 4, 1)],
)
def test_formula(mode, reduction, parts):
    torch.manual_seed(0)
    module = FPTGrounding(8, mode=mode, reduction=reduction, mixtures=parts, y_channels=5)
    module = scrambled(module)
    x = 0.4 * torch.randn(2, 8, 4, 3, dtype=torch.float64)
    y = 0.4 * torch.randn(2, 5, 2, 3, dtype=torch.float64)
    out = module(x, y)
    for b in range(2):
        s, h = x[b].flatten(1), y[b].flatten(1)
        q, k, v = affine(module.query, s), affine(module.key, h), affine(module.value, h)
        attended = (weights(module, q, k, mode, parts) @ v.T).T
        expected = s + batch_norm(module.project[1], affine(module.project[0], attended))
        torch.testing.assert_close(out[b].flatten(1), expected, rtol=1e-9, atol=1e-9)


def test_starts_as_the_fine_map():
    x, y = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 3, 4)
    assert torch.equal(FPTGrounding(4)(x, y), x)
