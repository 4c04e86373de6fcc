"""Object-contextual representations against sums over positions and regions."""

import torch

from plugnas import modules
from plugnas.modules.context.ocr import OCR
from tests.modules.generic import batch_norm, generic, pointwise, rand


def _layer(x, layer):
    return batch_norm(pointwise(x, layer[0].weight), layer[1]).clamp(min=0)


def test_equals_the_formula():
    for regions, reduction in ((3, 2), (5, 4)):
        ours = generic(OCR(8, regions=regions, reduction=reduction))
        x = rand(2, 8, 3, 4)
        flat = x.flatten(2)  # (B, C, N)
        logits = pointwise(_layer(flat, ours.region_logits[0]), ours.region_logits[1].weight)
        described = torch.zeros(2, 8, regions).double()
        for b in range(2):
            for k in range(regions):
                share = logits[b, k].exp() / logits[b, k].exp().sum()
                for n in range(12):
                    described[b, :, k] += share[n] * flat[b, :, n]
        q = _layer(_layer(flat, ours.query[0]), ours.query[1])
        key = _layer(_layer(described, ours.key[0]), ours.key[1])
        value = _layer(described, ours.value)
        gathered = torch.zeros_like(q)
        assert q.shape[1] == 8 // reduction
        for b in range(2):
            for n in range(12):
                weights = torch.exp(q[b, :, n] @ key[b] / q.shape[1] ** 0.5)
                gathered[b, :, n] = value[b] @ weights / weights.sum()
        context = _layer(gathered, ours.context)
        expected = _layer(torch.cat([context, flat], 1), ours.project).reshape(x.shape)
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
