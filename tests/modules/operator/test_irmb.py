"""The block of EMO against its formula, window by window."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.irmb import InvertedResidualMobileBlock as Block
from tests.modules.generic import generic, rand, same


def _norm(norm, x):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shape = (-1, 1, 1)
    return (x - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


def _attention(m, u, v, window, head_channels):
    """Softmax over the real pixels of each window, rows position x windows + window."""
    batch, channels, height, width = u.shape
    q, k = F.conv2d(u, m.qk.weight).split(channels, dim=1)
    heads = channels // head_channels
    wide = v.shape[1] // heads
    down, across = -(-height // window), -(-width // window)
    y = torch.zeros_like(v)
    for a in range(down):
        for b in range(across):
            pixels = [(r, c) for r in range(a, height, down) for c in range(b, width, across)]
            assert len(pixels) <= window * window
            for n in range(batch):
                for h in range(heads):
                    mine = slice(h * head_channels, (h + 1) * head_channels)
                    out = slice(h * wide, (h + 1) * wide)
                    for r, c in pixels:
                        query = q[n, mine, r, c]
                        logits = torch.stack([query @ k[n, mine, i, j] for i, j in pixels])
                        weights = (logits * head_channels**-0.5).softmax(0)
                        values = torch.stack([v[n, out, i, j] for i, j in pixels])
                        y[n, out, r, c] = weights @ values
    return y


def _reference(m, x, window, head_channels, s, skip):
    u = _norm(m.norm, x)
    v = F.conv2d(u, m.v[0].weight).clamp(min=0)
    h = v if m.qk is None else _attention(m, u, v, window, head_channels)
    kernel = m.local[0].weight
    w = F.conv2d(h, kernel, stride=s, padding=kernel.shape[-1] // 2, groups=h.shape[1])
    w = F.silu(_norm(m.local[1], w))
    if not skip:
        return F.conv2d(w, m.project.weight)
    return F.conv2d(h + w, m.project.weight) + x


@torch.no_grad()
def test_equals_the_formula():
    x = rand(2, 8, 5, 6)
    same(
        generic(m := Block(8, 8, window=4, head_channels=4))(x),
        _reference(m, x, 4, 4, 1, True),
    )
    m = generic(Block(8, 6, window=3, head_channels=2, expansion=1, stride=2, kernel_size=5))
    same(m(x), _reference(m, x, 3, 2, 2, False))
    m = generic(Block(8, 8, attention=False, expansion=4))
    same(m(x), _reference(m, x, 7, 16, 1, True))


@torch.no_grad()
def test_squeeze_excitation_gates_the_local_branch():
    m = generic(Block(8, 10, se_reduction=4, attention=False))
    x = rand(2, 8, 5, 6)
    w = F.silu(_norm(m.local[1], m.local[0](m.v(_norm(m.norm, x)))))
    z = w.mean((2, 3)) @ m.se.squeeze.weight[:, :, 0, 0].T
    gate = (z.clamp(min=0) @ m.se.excite.weight[:, :, 0, 0].T).sigmoid()
    same(m(x), F.conv2d(w * gate[:, :, None, None], m.project.weight))


def test_every_norm_has_the_authors_eps():
    norms = [m for m in Block(8, 8).modules() if hasattr(m, "running_var")]
    assert [norm.eps for norm in norms] == [1e-6, 1e-6]
