"""Cascaded group attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, common_divisor, first_alike, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_HEADS = (2, 4)


def _same(site: Site, setting: Setting) -> Setting:
    heads = first_alike(_HEADS, setting["heads"], lambda h: common_divisor(h, site.channels))
    return {"heads": heads}


@register(
    "cascaded_group",
    slot="attention",
    family="self_attention",
    name="Cascaded group attention of EfficientViT",
    year=2023,
    paper="arXiv:2305.07027",
    choices={"heads": _HEADS, "window": (4, 7, 14)},
    aliases=("CGA", "CascadedGroupAttention", "EfficientViT", "LocalWindowAttention"),
    origin="github.com/microsoft/Cream, MIT",
    same=_same,
)
class CascadedGroupAttention(nn.Module):
    """Attends in windows by heads on parts of the channels; each also gets the last one's output.

    Head i of h reads x_i + y_{i-1} (y_{-1} = 0), x_i the i-th of h parts of C / h channels;
    q, k (``key_channels`` each), v (C / h) = BN(conv1x1); q = BN(depthwise conv of q), k_i taps a
    side; y_i = softmax(q k^T / sqrt(``key_channels``) + b_i[|dy|, |dx|]) v among the pixels of a
    ``window`` x ``window`` window; then BN(conv1x1(relu([y_0, ..., y_{h-1}]))).
    (B, C, H, W) -> the same. ``kernel_sizes`` are the k_i, the last one for all further heads.

    All of it but the last layer happens inside one window. Sides that are no multiples of
    ``window`` are padded with zeros and cropped, and padded pixels are no keys (in timm and in the
    authors' code they are). The last norm starts at 1 (there at 0, for a block with a residual).

    Args:
        channels: C, channels of the map.
        heads: h, attention heads, a limit: the largest divisor of C is taken.
        window: side of a window in pixels.
        key_channels: channels of q and of k in each head.
        kernel_sizes: k_i, taps per side of each head's depthwise convolution of q, odd; one or
            more.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 4,
        window: int = 7,
        key_channels: int = 16,
        kernel_sizes: tuple[int, ...] = (7, 5, 3, 3),
    ) -> None:
        super().__init__()
        heads = common_divisor(heads, channels)
        width = channels // heads
        kernels = [kernel_sizes[min(i, len(kernel_sizes) - 1)] for i in range(heads)]
        self.window = window
        self.split = [key_channels, key_channels, width]
        self.project = nn.ModuleList(ConvBN(width, sum(self.split)) for _ in range(heads))
        self.local = nn.ModuleList(
            ConvBN(key_channels, key_channels, k, groups=key_channels) for k in kernels
        )
        self.bias = nn.Parameter(torch.zeros(heads, window, window))
        self.out = nn.Sequential(nn.ReLU(), ConvBN(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        side = min(self.window, height), min(self.window, width)
        grid = -(-height // side[0]), -(-width // side[1])
        bias = self._positions(*side).unsqueeze(1)  # (heads, 1, n, n)
        if height % side[0] or width % side[1]:
            inside = _windows(x.new_ones(1, 1, height, width), side).flatten(1)  # (windows, n)
            bias = bias.masked_fill(inside[:, None, :] == 0, float("-inf"))
        y = self._cascade(_windows(x, side), bias)
        y = y.unflatten(0, (-1, *grid)).permute(0, 3, 1, 4, 2, 5)  # (B, C, rows, h, columns, w)
        y = y.flatten(4, 5).flatten(2, 3)[:, :, :height, :width]
        return self.out(y)

    def _cascade(self, x: Tensor, bias: Tensor) -> Tensor:
        """The heads one after the other on windows (B windows, C, h, w) -> the same."""
        results: list[Tensor] = []
        for i, part in enumerate(x.chunk(len(self.project), dim=1)):
            told = part if i == 0 else part + results[-1]
            q, k, v = self.project[i](told).split(self.split, dim=1)
            q, k, v = (t.flatten(2).transpose(1, 2) for t in (self.local[i](q), k, v))
            y = self._attend(q, k, v, bias[i])
            results.append(y.transpose(1, 2).unflatten(2, x.shape[2:]))
        return torch.cat(results, dim=1)

    @staticmethod
    def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """(B windows, n, d) -> (B windows, n, C / h); the bias is (1 or windows, n, n)."""
        q, k, v = (t.unflatten(0, (-1, bias.shape[0])) for t in (q, k, v))
        logits = torch.matmul(q * q.shape[3] ** -0.5, k.transpose(2, 3)) + bias.to(q.dtype)
        return torch.matmul(logits.softmax(3), v).flatten(0, 1)

    def _positions(self, height: int, width: int) -> Tensor:
        """The bias of each pair of pixels of a window: (heads, n, n)."""
        rows, columns = (torch.arange(n, device=self.bias.device) for n in (height, width))
        rows = (rows[:, None] - rows).abs()[:, None, :, None]  # (h, 1, h, 1)
        columns = (columns[:, None] - columns).abs()[None, :, None, :]  # (1, w, 1, w)
        return self.bias[:, rows, columns].flatten(3, 4).flatten(1, 2)


def _windows(x: Tensor, side: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B windows, C, h, w), padded at the bottom and right."""
    x = pad_to_multiple(x, side)
    x = x.unflatten(3, (-1, side[1])).unflatten(2, (-1, side[0]))  # (B, C, rows, h, columns, w)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
