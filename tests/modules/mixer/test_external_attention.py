"""External attention against its formula, entry by entry."""

import copy
import math

import torch

from plugnas.modules.mixer.external_attention import ExternalAttention
from tests.modules.generic import generic, rand


def test_equals_the_formula():
    for memory in (5, 8):
        ours = generic(ExternalAttention(6, memory=memory))
        keys, values = ours.key_memory.weight, ours.value_memory.weight  # (S, C), (C, S)
        x = rand(2, 7, 6)
        expected = torch.zeros_like(x)
        for b in range(2):
            e = [[math.exp(x[b, n] @ keys[s]) for s in range(memory)] for n in range(7)]
            column = [sum(e[n][s] for n in range(7)) for s in range(memory)]
            for n in range(7):
                over_tokens = [e[n][s] / column[s] for s in range(memory)]
                for s in range(memory):
                    share = over_tokens[s] / sum(over_tokens)
                    expected[b, n] += share * values[:, s]
        torch.testing.assert_close(ours(x, size=(1, 7)), expected.detach(), rtol=1e-6, atol=1e-7)


def test_half_precision():
    """A token that no memory row looks at has shares of 0 / 0 there."""
    ours = ExternalAttention(4, memory=2)
    with torch.no_grad():
        ours.key_memory.weight.fill_(20.0)
    x = torch.zeros(1, 3, 4)
    x[0, 0] = 1.0
    half = copy.deepcopy(ours).half()(x.half())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), ours(x), rtol=2e-3, atol=2e-3)
