"""Short and long distance attention of CrossFormer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, one_of, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._same import channel_groups
from plugnas.modules._slots import Site

_MODES = ("short", "long")


class _DynamicPositionBias(nn.Module):
    """A small MLP from the offset (dy, dx) of two tokens to one bias per head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()

        def block(out: int, *, bias: bool) -> list[nn.Module]:
            return [nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out, bias=bias)]

        self.mlp = nn.Sequential(
            nn.Linear(2, width),
            *block(width, bias=True),
            *block(width, bias=True),
            *block(heads, bias=False),
        )

    def forward(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """Biases between all pairs of a group of rows x columns tokens: (heads, N, N)."""
        dy = torch.arange(1 - rows, rows, device=like.device)
        dx = torch.arange(1 - columns, columns, device=like.device)
        offsets = torch.stack(torch.meshgrid(dy, dx, indexing="ij"), dim=-1).to(like)
        table = self.mlp(offsets)  # (2 rows - 1, 2 columns - 1, heads)
        by_row = table[_differences(rows, like)]  # (rows, rows, 2 columns - 1, heads)
        bias = by_row[:, :, _differences(columns, like)]  # (rows, rows, columns, columns, heads)
        return bias.permute(4, 0, 2, 1, 3).flatten(3, 4).flatten(1, 2)


def _differences(length: int, like: Tensor) -> Tensor:
    """i - j for all pairs of 0 .. length - 1, counted from 0 on."""
    index = torch.arange(length, device=like.device)
    return index[:, None] - index[None, :] + length - 1


def _count(site: Site, setting: Setting) -> tuple[int, ...]:
    """Groups along each side."""
    window = setting["window"]
    return tuple(-(-side // min(window, side)) for side in (site.height, site.width))


def _mode(site: Site, setting: Setting) -> str:
    """One group holds the whole map, whichever way it is formed."""
    return "one" if _count(site, setting) == (1, 1) else setting["mode"]


def _group(site: Site, setting: Setting) -> tuple[int, ...]:
    """What decides which tokens form a group: for ``long`` the number of groups alone."""
    if setting["mode"] == "long":
        return _count(site, setting)
    return min(setting["window"], site.height), min(setting["window"], site.width)


@register(
    "crossformer",
    slot="attention",
    family="self_attention",
    name="CrossFormer short and long distance attention",
    year=2021,
    paper="arXiv:2108.00154",
    origin="github.com/cheerss/CrossFormer, MIT",
    choices={"window": (4, 7, 8), "mode": _MODES, "heads": (4, 8)},
    export={"onnx": "attention is exported with four dimensions, and here the groups are a fifth"},
    same={"mode": _mode, "window": _group, "heads": channel_groups("heads")},
    aliases=(
        "CrossFormerBlock",
        "CrossFormerAttention",
    ),
)
class ShortLongDistanceAttention(nn.Module):
    """Attends within groups of G x G tokens, adjacent ones or ones spread evenly over the map.

    ``short``: a group is a G x G window. ``long``: tokens whose indices agree modulo I, the side
    over G, form a group, so that each group spans the map. In a group, per head,
    softmax(q k^T / sqrt(d) + B) v, with B an MLP of the offset (2 -> C / 4 -> C / 4 -> C / 4 ->
    heads, norm and ReLU between), then a linear layer. (B, C, H, W) -> the same; ``window`` is G.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/Crossformer.py): any map, padded, masked and cropped; along a side shorter than
    G the group is that side; the MLP's width is the paper's C / 4, at least 4, and its last layer
    has no bias, which the softmax would cancel; ``heads`` is a limit, of which the largest divisor
    of the width is taken.

    Args:
        channels: C, channels of the map.
        window: G, tokens per side of a group.
        mode: ``short``: neighbours form a group; ``long``: tokens spread over the map.
        heads: attention heads, a limit: the largest divisor of C is taken.
    """

    def __init__(
        self, channels: int, *, window: int = 7, mode: str = "short", heads: int = 8
    ) -> None:
        super().__init__()
        self.window, self.mode = window, one_of("mode", mode, _MODES)
        self.heads = common_divisor(heads, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.bias = _DynamicPositionBias(max(4, channels // 4), self.heads)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        group = min(self.window, height), min(self.window, width)
        inside = pad_to_multiple(x.new_ones(1, 1, height, width), group)
        x = pad_to_multiple(x, group)
        tokens = self._to_groups(x, group)  # (B, groups, N, C)
        bias = self.bias(*group, tokens)
        if x.shape[-2:] != (height, width):
            outside = self._to_groups(inside, group)[..., 0] == 0  # (1, groups, N)
            bias = bias.masked_fill(outside[0, :, None, None, :], float("-inf"))
        y = self._attend(tokens, bias).unflatten(2, group)
        grid = x.shape[2] // group[0], x.shape[3] // group[1]
        return self._to_map(y.unflatten(1, grid))[:, :, :height, :width]

    def _attend(self, tokens: Tensor, bias: Tensor) -> Tensor:
        qkv = self.qkv(tokens).unflatten(3, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        y = F.scaled_dot_product_attention(
            qkv[0], qkv[1], qkv[2], attn_mask=bias.to(qkv.dtype)
        )  # (B, groups, heads, N, d)
        return self.out(y.transpose(2, 3).flatten(3))

    def _to_groups(self, x: Tensor, group: tuple[int, int]) -> Tensor:
        """(B, C, H, W) -> (B, groups, tokens of one, C)."""
        if self.mode == "short":  # a side is (groups, place in the group)
            x = x.unflatten(3, (-1, group[1])).unflatten(2, (-1, group[0]))
            x = x.permute(0, 2, 4, 3, 5, 1)
        else:  # a side is (place in the group, groups)
            x = x.unflatten(3, (group[1], -1)).unflatten(2, (group[0], -1))
            x = x.permute(0, 3, 5, 2, 4, 1)
        return x.flatten(3, 4).flatten(1, 2)

    def _to_map(self, y: Tensor) -> Tensor:
        """(B, group rows, group columns, rows, columns, C) -> (B, C, H, W)."""
        order = (0, 5, 1, 3, 2, 4) if self.mode == "short" else (0, 5, 3, 1, 4, 2)
        return y.permute(order).flatten(4, 5).flatten(2, 3)
