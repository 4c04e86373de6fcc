"""ACmix against the paper's sums, pixel by pixel, with the full position term."""

import torch

from plugnas.modules.operator.acmix import ACmix
from tests.modules.generic import generic, rand, same


def _inside(i, n, repeats):
    """The pixel that stands in for number i of n beyond the border: repeated or mirrored."""
    if repeats:
        return min(max(i, 0), n - 1)
    return -i if i < 0 else 2 * (n - 1) - i if i >= n else i


def _linear(layer, x):
    return x @ layer.weight[:, :, 0, 0].T + (0 if layer.bias is None else layer.bias)


def _reference(m, x, window, s, heads, taps=3):
    batch, _, height, width = x.shape
    q, k, v = (_linear(layer, x.permute(0, 2, 3, 1)) for layer in (m.q, m.k, m.v))
    channels = q.shape[-1]
    d, reach = channels // heads, window // 2
    repeats = min(height, width) <= reach
    grid = torch.zeros(height, width, 2, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            grid[i, j, 0] = -1 + (2 * j / (width - 1) if width > 1 else 0)
            grid[i, j, 1] = -1 + (2 * i / (height - 1) if height > 1 else 0)
    e = _linear(m.position, grid)
    y = torch.zeros(batch, channels, -(-height // s), -(-width // s), dtype=x.dtype)
    for b in range(batch):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                near = [
                    (_inside(s * i + u, height, repeats), _inside(s * j + w, width, repeats))
                    for u in range(-reach, reach + 1)
                    for w in range(-reach, reach + 1)
                ]
                for h in range(heads):
                    part = slice(h * d, (h + 1) * d)
                    query = q[b, s * i, s * j, part] * d**-0.5
                    centre = e[s * i, s * j]
                    logits = [query @ (k[b, r, c, part] + centre - e[r, c]) for r, c in near]
                    weights = torch.stack(logits).softmax(0)
                    values = torch.stack([v[b, r, c, part] for r, c in near])
                    y[b, part, i, j] = m.attention_rate * (weights @ values)
                for o in range(channels):
                    inner, total = o // heads, 0.0  # the group of output o is a head channel
                    for u in range(taps):
                        for w in range(taps):
                            r, c = s * i + u - taps // 2, s * j + w - taps // 2
                            if 0 <= r < height and 0 <= c < width:
                                heads_of = [t[b, r, c, inner::d] for t in (q, k, v)]
                                f = m.mix.weight[:, :, 0, 0] @ torch.cat(heads_of)
                                total = total + m.shift.weight[o, :, u, w] @ f
                    y[b, o, i, j] += m.convolution_rate * total
    return y


@torch.no_grad()
def test_equals_the_formula():
    for window, s, heads, size in ((3, 1, 2, (4, 5)), (5, 2, 4, (5, 4)), (7, 1, 2, (2, 5))):
        m = generic(ACmix(3, 8, window=window, stride=s, heads=heads))
        x = rand(1, 3, *size)
        same(m(x), _reference(m, x, window, s, heads))


def test_convolution_starts_as_shifts():
    weight = ACmix(4, 8).shift.weight
    for o in (0, 5):
        for t in range(9):
            expected = torch.zeros(3, 3)
            expected[t // 3, t % 3] = 1
            assert torch.equal(weight[o, t], expected)
