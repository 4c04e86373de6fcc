"""Inverted residual mobile block of EMO."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, ConvBN, common_divisor, conv2d, drop_path
from plugnas.modules._registry import register
from plugnas.modules.attention.se import SqueezeExcitation


@register(
    "irmb",
    slot="operator",
    family="self_attention",
    name="EMO inverted residual mobile block",
    year=2023,
    paper="arXiv:2301.01146",
    choices={"expansion": (1, 2, 4), "kernel_size": (3, 5), "window": (4, 7)},
    same={"window": lambda site, s: (min(s["window"], site.height), min(s["window"], site.width))},
    aliases=(
        "EMO",
        "InvertedResidualMobileBlock",
    ),
    origin="github.com/zhangzjn/EMO, NOASSERTION",
)
class InvertedResidualMobileBlock(nn.Module):
    """Inverted residual with window attention and a depthwise convolution in its wide middle.

    u = BN(x); inside each window, A = softmax(d^-1/2 q k^T) with q, k = 1x1 layers of u in heads of
    width d = ``head_channels``; h = A v, v = relu(1x1(u; C -> eC)) (``attention=False``: h = v);
    w = SE(silu(BN(depthwise k x k(h), stride s))); y = 1x1(h + w; eC -> Cout) + x. Both sums only
    where s = 1 and Cin = Cout. SE where ``se_reduction`` > 0; stochastic depth ``drop_path``.

    A map is padded to whole windows and a window takes pixels on a regular grid over the map (row
    = position x windows + window), not neighbours. Departs from the authors' code (model/emo.py):
    padded pixels are masked in the softmax; heads fall to widths that divide C. (B, Cin, H, W) ->
    (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        expansion: e, the width inside over C.
        kernel_size: k, taps per side of the depthwise convolution, odd.
        window: side of a window in pixels.
        head_channels: d, channels of q in a head, a limit: the largest divisor of C is taken.
        attention: whether there is attention; else h = v.
        se_reduction: SE's hidden width is eC // se_reduction; 0: no SE.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        expansion: int = 2,
        kernel_size: int = 3,
        window: int = 7,
        head_channels: int = 16,
        attention: bool = True,
        se_reduction: int = 0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.heads = in_channels // common_divisor(head_channels, in_channels)
        self.window, self.drop_path = window, drop_path
        self.norm = BatchNorm2d(in_channels, eps=1e-6)
        self.qk = conv2d(in_channels, 2 * in_channels) if attention else None
        self.v = nn.Sequential(conv2d(in_channels, hidden), nn.ReLU())
        self.local = ConvBN(
            hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=nn.SiLU()
        )
        self.local[1].eps = self.norm.eps  # type: ignore[assignment]
        self.se = (
            SqueezeExcitation(hidden, reduction=se_reduction) if se_reduction else nn.Identity()
        )
        self.project = conv2d(hidden, out_channels)
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        u = self.norm(x)
        v = self.v(u)
        h = v if self.qk is None else self._attend(self.qk(u), v)
        w = self.se(self.local(h))
        if not self.skip:
            return self.project(w)
        return x + drop_path(self.project(h + w), self.drop_path, training=self.training)

    def _attend(self, qk: Tensor, v: Tensor) -> Tensor:
        height, width = v.shape[-2:]
        # Windows across a map: positions inside one (p, q) x number of windows (m, n).
        inside = (min(self.window, height), min(self.window, width))
        count = (-(-height // inside[0]), -(-width // inside[1]))
        spare = (0, inside[1] * count[1] - width, 0, inside[0] * count[0] - height)

        def cut(x: Tensor, heads: int) -> Tensor:
            """(B, heads d, H, W) -> (B m n, heads, p q, d)."""
            x = F.pad(x, spare).unflatten(3, (inside[1], count[1]))
            x = x.unflatten(2, (inside[0], count[0])).unflatten(1, (heads, -1))
            # (B, heads, d, p, m, q, n) -> (B, m, n, heads, p, q, d)
            return x.permute(0, 4, 6, 1, 3, 5, 2).flatten(4, 5).flatten(0, 2)

        q, k = cut(qk, 2 * self.heads).chunk(2, dim=1)
        mask = None
        if any(spare):
            mask = cut(torch.ones_like(v[:, :1]), 1).transpose(2, 3) > 0  # (B m n, 1, 1, p q)
        y = F.scaled_dot_product_attention(q, k, cut(v, self.heads), attn_mask=mask)
        y = y.unflatten(2, inside).unflatten(0, (-1, *count))  # (B, m, n, heads, p, q, d)
        y = y.permute(0, 3, 6, 4, 1, 5, 2).flatten(5, 6).flatten(3, 4).flatten(1, 2)
        return y[:, :, :height, :width]
