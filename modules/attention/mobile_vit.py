"""MobileViT blocks: convolutions around a transformer over patches, versions 1 and 2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, GroupNorm, conv2d, hidden_width, resize_like
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_CHOICES = {"depth": (1, 2, 4), "patch": (2, 4)}


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """One pixel is resized to one patch of equal values, however large."""
    return {"patch": 2} if max(site.height, site.width) == 1 else {}


class _Transformer(nn.Module):
    """Pre-norm layer on (M, N, D): x + attention(LN x), then x + MLP(LN x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(inplace=True), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).transpose(1, 3)
        y = F.scaled_dot_product_attention(*qkv.unbind(2))  # (M, heads, N, d)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class _SeparableAttention(nn.Module):
    """Version 2's attention, linear in N: (B, D, P, N) -> the same.

    With 1x1 convs q (one channel), k, v: g = sum over the N patches of softmax(q) k; out of
    relu(v) g.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = conv2d(width, 1 + 2 * width, bias=True)
        self.out = conv2d(width, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[1]
        q, k, v = self.qkv(x).split([1, width, width], dim=1)
        context = (k * q.softmax(3)).sum(3, keepdim=True)  # (B, D, P, 1)
        return self.out(F.relu(v) * context)


class _SeparableTransformer(nn.Module):
    """Pre-norm layer on (B, D, P, N): x + attention(norm x), then x + MLP(norm x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(1, width)
        self.attention = _SeparableAttention(width)
        self.norm2 = GroupNorm(1, width)
        self.mlp = nn.Sequential(
            conv2d(width, 2 * width, bias=True),
            nn.SiLU(inplace=True),
            conv2d(2 * width, width, bias=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


@register(
    "mobile_vit",
    slot="attention",
    family="self_attention",
    name="MobileViT block",
    year=2021,
    paper="arXiv:2110.02178",
    choices=_CHOICES,
    same=_same,
    origin="github.com/apple/ml-cvnets, AML",
)
class MobileViT(nn.Module):
    """Convolves, lets pixels of equal place in p x p patches attend to each other, and merges.

    z = 1x1 conv to D of silu(BN(3x3 conv of x)); z is cut into N patches of P = p^2 pixels, and for
    each of the P places ``depth`` transformer layers (pre-norm, multi-head attention, MLP of 2 D
    with SiLU) and a LayerNorm run over the N patches; put back, u = silu(BN(1x1 conv to C));
    y = silu(BN(3x3 conv of [x, u])). (B, C, H, W) -> the same.

    D is the multiple of ``heads`` nearest to ``ratio`` C (the paper's C of 96, 128, 160 have D of
    144, 192, 240). Sides that are no multiples of p are resized up before the patches and back
    after them, as in the authors' code.

    Args:
        channels: C, channels of the map.
        depth: transformer layers.
        patch: p, side of a patch in pixels.
        heads: attention heads; D is a multiple of them.
        ratio: D / C, the width inside, before it is rounded.
    """

    def __init__(
        self, channels: int, *, depth: int = 2, patch: int = 2, heads: int = 4, ratio: float = 1.5
    ) -> None:
        super().__init__()
        self.patch = patch
        width = heads * max(1, round(ratio * channels / heads))
        self.local = ConvBN(channels, channels, 3, activation=nn.SiLU(inplace=True))
        self.embed = conv2d(channels, width)
        self.layers = nn.Sequential(*(_Transformer(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.project = ConvBN(width, channels, 1, activation=nn.SiLU(inplace=True))
        self.merge = ConvBN(2 * channels, channels, 3, activation=nn.SiLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        z = self.embed(self.local(x))
        parts = _to_patches(z, self.patch)  # (B, D, m, p, n, p)
        tokens = parts.permute(0, 3, 5, 2, 4, 1)  # (B, p, p, m, n, D)
        y = self.norm(self.layers(tokens.flatten(3, 4).flatten(0, 2)))  # (B P, N, D)
        y = y.unflatten(1, tokens.shape[3:5]).unflatten(0, (-1, self.patch, self.patch))
        u = self.project(_from_patches(y.permute(0, 5, 3, 1, 4, 2), z))
        return self.merge(torch.cat([x, u], dim=1))


@register(
    "mobile_vit_v2",
    slot="attention",
    family="self_attention",
    name="MobileViTv2 block",
    year=2022,
    paper="arXiv:2206.02680",
    choices=_CHOICES,
    same=_same,
    aliases=("MobileViT2",),
    origin="github.com/apple/ml-cvnets, AML",
)
class MobileViTv2(nn.Module):
    """Convolves depthwise, and mixes patches by attention whose cost is linear in their number.

    z = 1x1 conv to D = C / 2 of silu(BN(depthwise 3x3 conv of x)); z is cut into N patches of P =
    p^2 pixels: (B, D, P, N). ``depth`` layers x + A(norm x), x + MLP(norm x) (2 D, SiLU) and a
    norm, each a group norm of one group; A: g = sum over N of softmax(q) k, one logit q per pixel;
    1x1 conv of relu(v) g. Put back, y = BN(1x1 conv to C). (B, C, H, W) -> the same.

    Departs from the authors' code and timm's: sides that are no multiples of p are resized up just
    before the patches and back after them (there the whole block works at the larger size, which
    it also returns).

    Args:
        channels: C, channels of the map.
        depth: layers.
        patch: p, side of a patch in pixels.
        ratio: C / D: the width inside is C // ratio, at least 1.
    """

    def __init__(self, channels: int, *, depth: int = 2, patch: int = 2, ratio: int = 2) -> None:
        super().__init__()
        self.patch = patch
        width = hidden_width(channels, ratio)
        self.local = ConvBN(
            channels, channels, 3, groups=channels, activation=nn.SiLU(inplace=True)
        )
        self.embed = conv2d(channels, width)
        self.layers = nn.Sequential(*(_SeparableTransformer(width) for _ in range(depth)))
        self.norm = GroupNorm(1, width)
        self.project = ConvBN(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = self.embed(self.local(x))
        parts = _to_patches(z, self.patch).permute(0, 1, 3, 5, 2, 4)  # (B, D, p, p, m, n)
        y = self.norm(self.layers(parts.flatten(4).flatten(2, 3)))  # (B, D, P, N)
        y = y.unflatten(3, parts.shape[4:]).unflatten(2, (self.patch, self.patch))
        return self.project(_from_patches(y.permute(0, 1, 4, 2, 5, 3), z))


def _to_patches(x: Tensor, patch: int) -> Tensor:
    """(B, D, H, W) -> (B, D, ceil(H / p), p, ceil(W / p), p), resized where p does not divide."""
    height, width = (-(-n // patch) * patch for n in x.shape[-2:])
    if (height, width) != tuple(x.shape[-2:]):
        x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
    return x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))


def _from_patches(parts: Tensor, reference: Tensor) -> Tensor:
    """(B, D, m, p, n, p) -> (B, D, H, W), the size of the reference."""
    return resize_like(parts.flatten(4, 5).flatten(2, 3), reference)
