"""Cascaded group attention against timm's, and pixel by pixel on maps that do not tile."""

import pytest
import torch
from timm.models.efficientvit_msra import CascadedGroupAttention as TimmCascadedGroupAttention
from timm.models.efficientvit_msra import LocalWindowAttention

from plugnas.modules.attention.cascaded_group import CascadedGroupAttention
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand, same


def _copy(theirs, ours):
    """Our weights into timm's; its biases are listed in the order in which offsets appear."""
    pairs = [
        *zip(theirs.qkvs, ours.project, strict=True),
        *zip(theirs.dws, ours.local, strict=True),
    ]
    for target, source in [*pairs, (theirs.proj[1], ours.out[1])]:
        target.conv.load_state_dict(source[0].state_dict())
        target.bn.load_state_dict(source[1].state_dict())
    theirs.attention_biases.copy_(ours.bias.flatten(1))


KIND = {"num_heads": 4, "attn_ratio": 1, "kernels": [7, 5, 3, 3]}


def test_one_window_equals_timm():
    ours = generic(CascadedGroupAttention(32, window=5, key_channels=8))
    theirs = TimmCascadedGroupAttention(32, 8, resolution=5, **KIND).double()
    theirs.eval()  # returns None there
    with torch.no_grad():
        _copy(theirs, ours)
        x = rand(2, 32, 5, 5)
        same(ours(x), theirs(x))


def test_windows_equal_timm():
    ours = generic(CascadedGroupAttention(32, window=3, key_channels=8))
    theirs = LocalWindowAttention(32, 8, resolution=6, window_resolution=3, **KIND).double()
    theirs.eval()
    with torch.no_grad():
        _copy(theirs.attn, ours)
        x = rand(2, 32, 6, 6)  # timm 1.0.23 takes no other size; the next test does
        same(ours(x), theirs(x))


def _reference(module, x, window):
    """Windows cut from the zero-padded map; pixels beyond it are queries and taps but no keys."""
    channels, height, width = x.shape
    h, w = min(window, height), min(window, width)
    padded = torch.zeros(channels, -(-height // h) * h, -(-width // w) * w, dtype=x.dtype)
    padded[:, :height, :width] = x
    y = torch.zeros_like(padded)
    heads = len(module.project)
    for top in range(0, padded.shape[1], h):
        for left in range(0, padded.shape[2], w):
            piece = padded[:, top : top + h, left : left + w]
            keys = [
                (i, j) for i in range(h) for j in range(w) if top + i < height and left + j < width
            ]
            told, out = 0, []
            for head, part in enumerate(piece.split(channels // heads)):
                layer, norm = module.project[head]
                q, k, v = bn(norm, pointwise(layer, part + told)).split(module.split)
                layer, norm = module.local[head]
                q = bn(norm, conv(layer, q))
                told = torch.zeros_like(part)
                for i in range(h):
                    for j in range(w):
                        logits = [
                            q[:, i, j] @ k[:, a, b] / len(q) ** 0.5
                            + module.bias[head, abs(a - i), abs(b - j)]
                            for a, b in keys
                        ]
                        weights = torch.stack(logits).softmax(0)
                        told[:, i, j] = sum(
                            g * v[:, a, b] for g, (a, b) in zip(weights, keys, strict=True)
                        )
                out.append(told)
            y[:, top : top + h, left : left + w] = torch.cat(out)
    y = y[:, :height, :width].clamp_min(0)
    return bn(module.out[1][1], pointwise(module.out[1][0], y))


@pytest.mark.parametrize(("height", "width"), [(4, 5), (2, 4)])
def test_equals_the_formula(height, width):
    module = CascadedGroupAttention(6, heads=2, window=3, key_channels=4, kernel_sizes=(3,))
    module = generic(module)
    x = rand(6, height, width)
    same(module(x[None])[0], _reference(module, x, 3))
