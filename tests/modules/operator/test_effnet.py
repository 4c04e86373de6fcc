"""EffNet's block against its layers written out, on even and odd maps."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.effnet import EffNetBlock
from tests.modules.generic import generic, rand, same


def _after(step, x):
    """BN(leaky relu(x)) by its formula."""
    norm = step[2]
    x = torch.where(x > 0, x, 0.3 * x)
    z = (x - norm.running_mean[:, None, None]) / (norm.running_var + norm.eps).sqrt()[:, None, None]
    return z * norm.weight[:, None, None] + norm.bias[:, None, None]


@torch.no_grad()
def test_equals_the_formula():
    for s, expansion, size in ((2, 2, (6, 8)), (2, 1, (5, 7)), (1, 1, (5, 6))):
        m = generic(EffNetBlock(3, 5, stride=s, expansion=expansion))
        hidden = 3 * expansion
        x = rand(2, 3, *size)
        first, rows, _, columns = m.layers
        u = _after(first, torch.einsum("oi,bixy->boxy", first[0].weight[:, :, 0, 0], x))
        u = _after(rows, F.conv2d(u, rows[0].weight, padding=(0, 1), groups=hidden))
        pooled = [u[:, :, i : i + s].amax(2) for i in range(0, size[0], s)]
        u = torch.stack(pooled, dim=2)
        u = _after(columns, F.conv2d(u, columns[0].weight, padding=(1, 0), groups=hidden))
        y = torch.zeros(2, 5, u.shape[2], -(-size[1] // s), dtype=x.dtype)
        for j in range(size[1]):
            tap = m.project.weight[:, :, 0, j % s]
            y[..., j // s] += torch.einsum("oi,bix->box", tap, u[..., j])
        same(m(x), y)
