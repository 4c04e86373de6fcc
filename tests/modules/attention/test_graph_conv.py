"""Graph convolution against dense adjacency matrices."""

import torch

from plugnas.modules.attention.graph_conv import GraphConv
from tests.modules.generic import batch_norm, generic, pointwise, rand


def _grid(height, width, diagonals):
    nodes = [(i, j) for i in range(height) for j in range(width)]
    a = torch.eye(len(nodes), dtype=torch.float64)
    for p, (i, j) in enumerate(nodes):
        for q, (k, m) in enumerate(nodes):
            rows, columns = abs(i - k), abs(j - m)
            near = max(rows, columns) == 1 if diagonals else rows + columns == 1
            a[p, q] += float(near)
    root = torch.diag(a.sum(1) ** -0.5)
    return root @ a @ root


def _learned(ours, x):
    theta = pointwise(x, ours.theta.weight)[0].flatten(1).T
    phi = pointwise(x, ours.phi.weight)[0].flatten(1).T
    e = torch.exp(theta @ phi.T / theta.shape[1] ** 0.5)
    return e / e.sum(1, keepdim=True)


def test_equals_dense_matrices():
    for mode, depth in (("grid4", 2), ("grid8", 1), ("learned", 2), ("grid8", 2), ("learned", 1)):
        ours = generic(GraphConv(8, mode=mode, depth=depth, reduction=2))
        x = rand(1, 8, 3, 4)
        spread = _learned(ours, x) if mode == "learned" else _grid(3, 4, mode == "grid8")
        nodes = x[0].flatten(1).T
        for i, weight in enumerate(ours.weights):
            nodes = spread @ (nodes.clamp(min=0) if i else nodes) @ weight.weight[:, :, 0, 0].T
        expected = x + batch_norm(nodes.T.reshape(1, 8, 3, 4), ours.norm)
        torch.testing.assert_close(ours(x), expected)


def test_starts_as_identity():
    x = rand(2, 4, 3, 5).float()
    assert torch.equal(GraphConv(4)(x), x)
