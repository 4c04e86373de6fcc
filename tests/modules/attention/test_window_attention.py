"""Window attention against timm's Swin block, and pixel by pixel where the two differ."""

import math

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock

from plugnas.modules.attention.window_attention import WindowAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand, same


def _timm(module, size):
    """timm's block with our weights; its attention alone is run."""
    heads, window = module.heads, module.window
    channels = module.out.in_features
    shift = window // 2 if module.shifted else 0
    block = SwinTransformerBlock(channels, size, heads, window_size=window, shift_size=shift)
    block = block.double().eval()
    with torch.no_grad():
        for theirs, ours in ((block.attn.qkv, module.qkv), (block.attn.proj, module.out)):
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias)
        block.attn.relative_position_bias_table.copy_(module.table.flatten(1).t())
    return block


# Not (4, (8, 4)) shifted: timm shifts neither axis there, ours the one of several windows.
@pytest.mark.parametrize(
    ("window", "size", "shifted"),
    [
        (3, (6, 9), False), (3, (6, 9), True), (4, (8, 8), True), (4, (8, 4), False),
        (2, (2, 2), True),
    ],
)  # fmt: skip
def test_whole_windows_equal_timm(window, size, shifted):
    module = generic(WindowAttention(12, window=window, shifted=shifted, head_channels=4))
    assert module.heads == 3
    x = rand(2, 12, *size)
    with torch.no_grad():
        theirs = _timm(module, size)._attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    same(module(x), theirs)


def _window_of(place, length, window, shift):
    """The window of a place on an axis: which one, and on which side of the border."""
    padded = math.ceil(length / window) * window
    return (place - shift) % padded // window, place < shift


def _reference(module, x):
    height, width = x.shape[1:]
    shift = [0, 0]
    cell = [min(module.window, n) for n in (height, width)]
    if module.shifted:
        shift = [c // 2 if c < n else 0 for c, n in zip(cell, (height, width), strict=True)]
    q, k, v = pointwise(module.qkv, x).chunk(3)
    d = x.shape[0] // module.heads
    y = torch.zeros_like(x)
    places = [(i, j) for i in range(height) for j in range(width)]
    home = {
        (i, j): (
            _window_of(i, height, cell[0], shift[0]), _window_of(j, width, cell[1], shift[1])
        )
        for i, j in places
    }  # fmt: skip
    for i, j in places:
        near = [place for place in places if home[place] == home[i, j]]
        for h in range(module.heads):
            part = slice(h * d, (h + 1) * d)
            logits = torch.stack(
                [
                    q[part, i, j] @ k[part, a, b] / d**0.5
                    + module.table[h, i - a + module.window - 1, j - b + module.window - 1]
                    for a, b in near
                ]
            )
            share = logits.exp() / logits.exp().sum()
            y[part, i, j] = sum(s * v[part, a, b] for s, (a, b) in zip(share, near, strict=True))
    return pointwise(module.out, y)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("window", "size"), [(4, (7, 5)), (3, (8, 2)), (7, (5, 6)), (2, (1, 3))])
def test_any_map_pixel_by_pixel(window, size, shifted):
    module = generic(WindowAttention(6, window=window, shifted=shifted, head_channels=3))
    x = rand(6, *size)
    same(module(x[None])[0], _reference(module, x))


def test_padding_and_masks_leave_gradients_finite():
    module = WindowAttention(8, window=4, shifted=True)
    x = rand(1, 8, 5, 9).float().requires_grad_()
    module(x).sum().backward()
    assert x.grad.isfinite().all()
