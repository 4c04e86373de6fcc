"""Connected attention against its formula, one sample and link at a time."""

import torch

from plugnas.modules.attention.dca import DCA, ConnectedSE
from tests.modules.generic import generic, rand


def _layer_norm(v, norm):
    centred = v - v.mean()
    return norm.weight * centred / ((centred**2).mean() + norm.eps) ** 0.5 + norm.bias


def _gates(link, joined):
    hidden = (link.squeeze.weight @ joined + link.squeeze.bias).clamp(min=0)
    return 1 / (1 + torch.exp(-(link.excite.weight @ hidden + link.excite.bias)))


def _join(link, means, previous, mode):
    if mode == "direct":
        return means + previous
    a, b = link.mix.weight.flatten()
    return _layer_norm(a * means + b * previous, link.norm).clamp(min=0)


def test_chain():
    for mode, depth, reduction in (("weighted", 2, 2), ("direct", 3, 4)):
        ours = generic(DCA(8, reduction=reduction, mode=mode, depth=depth))
        x = rand(2, 8, 3, 4)
        for b in range(2):
            y, gates = x[b], None
            for link in ours.links:
                means = y.flatten(1).mean(1)
                gates = _gates(link, means if gates is None else _join(link, means, gates, mode))
                y = torch.stack([gates[c] * y[c] for c in range(8)])
            torch.testing.assert_close(ours(x)[b], y)


def test_link_of_another_width():
    link = generic(ConnectedSE(6, reduction=2, mode="weighted", previous_channels=4))
    x, previous = rand(1, 6, 2, 3), rand(1, 4, seed=5)
    linear, norm, _ = link.match
    matched = _layer_norm(linear.weight @ previous[0] + linear.bias, norm).clamp(min=0)
    gates = _gates(link, _join(link, x[0].mean((1, 2)), matched, "weighted"))
    y, state = link(x, previous)
    torch.testing.assert_close(state[0], gates)
    torch.testing.assert_close(y[0], x[0] * gates[:, None, None])
