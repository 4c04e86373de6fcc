"""Area attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, common_divisor, first_alike
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_AREAS = (1, 4)
_HEAD_CHANNELS = (16, 32, 64)


def _heads(channels: int, head_channels: int) -> int:
    return common_divisor(max(1, channels // head_channels), channels)


def _length(pixels: int, areas: int) -> int:
    """Pixels of an area, rounded up: areas of this length leave none of them empty."""
    return -(-pixels // areas)


def _same(site: Site, setting: Setting) -> Setting:
    pixels = site.height * site.width
    areas = first_alike(_AREAS, setting["areas"], lambda a: _length(pixels, a))
    if _length(pixels, areas) == 1:  # a pixel alone takes its own value, in any number of heads
        return {"areas": areas, "head_channels": _HEAD_CHANNELS[0]}
    head_channels = first_alike(
        _HEAD_CHANNELS, setting["head_channels"], lambda d: _heads(site.channels, d)
    )
    return {"areas": areas, "head_channels": head_channels}


@register(
    "area_attention",
    slot="attention",
    family="self_attention",
    name="Area attention of YOLOv12",
    year=2025,
    paper="arXiv:2502.12524",
    choices={"areas": _AREAS, "head_channels": _HEAD_CHANNELS},
    aliases=("AAttn", "A2", "A2C2f", "YOLOv12Attention"),
    origin="github.com/sunsmarterjie/yolov12, AGPL-3.0-only",
    same=_same,
)
class AreaAttention(nn.Module):
    """Attends inside each of a few equal areas, the pixels in reading order cut into runs.

    q, k, v = BN(conv1x1(x)); the H W pixels, row after row, are cut into ``areas`` runs (bands of
    rows where ``areas`` divides H); per head and run softmax(q k^T / sqrt(d)) v; plus BN of a
    depthwise 7x7 convolution of v over the whole map, which encodes positions; then BN(conv1x1).
    (B, C, H, W) -> the same. Heads have about ``head_channels`` channels (C // ``head_channels``
    heads, or the largest divisor of C below).

    Departs from the authors' code (ultralytics/nn/modules/block.py): where ``areas`` does not
    divide H W the last run is shorter (there an error). The depthwise kernel is the paper's 7,
    where the authors' repository has 5; ultralytics has 7.

    Args:
        channels: C, channels of the map.
        areas: equal runs into which the pixels are cut; attention stays inside one.
        head_channels: channels of a head, roughly: there are about C // head_channels heads.
        kernel_size: taps per side of the depthwise convolution of v, odd.
    """

    def __init__(
        self, channels: int, *, areas: int = 4, head_channels: int = 32, kernel_size: int = 7
    ) -> None:
        super().__init__()
        self.areas, self.heads = areas, _heads(channels, head_channels)
        self.query, self.key, self.value = (ConvBN(channels, channels) for _ in range(3))
        self.position = ConvBN(channels, channels, kernel_size, groups=channels)
        self.out = ConvBN(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        v = self.value(x)
        y = self._attend(x, v)
        return self.out(y + self.position(v))

    def _attend(self, x: Tensor, v: Tensor) -> Tensor:
        """Attention inside the runs: maps (B, C, H, W) -> the same."""
        q, k = self.query(x), self.key(x)
        pixels = x.shape[2] * x.shape[3]
        length = _length(pixels, self.areas)
        q, k, v = (self._runs(t, length) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=_seen(pixels, length, x))
        y = y.unflatten(0, (-1, -(-pixels // length)))  # (B, areas, heads, n, d)
        y = y.permute(0, 2, 4, 1, 3).flatten(3).flatten(1, 2)  # (B, C, areas n)
        return y[:, :, :pixels].unflatten(2, x.shape[2:])

    def _runs(self, x: Tensor, length: int) -> Tensor:
        """(B, C, H, W) -> (B areas, heads, length, d), the last run padded with zeros."""
        x = x.flatten(2)
        x = F.pad(x, (0, -x.shape[2] % length)).unflatten(2, (-1, length))
        return x.unflatten(1, (self.heads, -1)).permute(0, 3, 1, 4, 2).flatten(0, 1)


def _seen(pixels: int, length: int, x: Tensor) -> Tensor | None:
    """Which keys of each run are pixels, (B areas, 1, 1, length), or None where all are."""
    if pixels % length == 0:
        return None
    inside = F.pad(x.new_ones(pixels), (0, -pixels % length)) > 0
    seen = inside.view(1, -1, 1, 1, length).expand(x.shape[0], -1, -1, -1, -1)
    return seen.flatten(0, 1)
