"""Cross-stage partial spatial pyramid pooling of YOLOv7."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, first_alike
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.pooling.spp import window_maxima

_EXPANSIONS = (0.25, 0.5)


def _width(channels: int, expansion: float) -> int:
    return max(1, int(2 * channels * expansion))


def _same(site: Site, setting: Setting) -> Setting:
    def width(expansion: float) -> int:
        return _width(site.channels, expansion)

    return {"expansion": first_alike(_EXPANSIONS, setting["expansion"], width)}


@register(
    "sppcspc",
    slot="context",
    family="multi_scale",
    name="Cross-stage partial spatial pyramid pooling (SPPCSPC)",
    year=2022,
    paper="arXiv:2207.02696",
    choices={"kernel_sizes": ((5, 9, 13), (3, 5, 7)), "expansion": _EXPANSIONS},
    same=_same,
    aliases=("SPPCSPC", "CSPSPP"),
    origin="github.com/WongKinYiu/yolov7, GPL-3.0-only",
)
class CrossStagePyramid(nn.Module):
    """Passes one half through a spatial pyramid between convolutions, the other half past it.

    m = max(1, 2 expansion C); u = W4 W3 W1 x (1x1, 3x3, 1x1), p = W6 W5 [u, maxpool_k u for each k]
    (1x1, 3x3), y = W7 [p, W2 x] (1x1); every W is a convolution with batch norm and SiLU, to m
    channels, W7 to C. Pooling has stride 1 and -inf beyond the border. (B, C, H, W) -> the same.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_sizes: tuple[int, ...] = (5, 9, 13),
        expansion: float = 0.5,
    ) -> None:
        super().__init__()
        hidden = _width(channels, expansion)
        self.kernel_sizes = kernel_sizes
        self.before = nn.Sequential(
            _layer(channels, hidden), _layer(hidden, hidden, 3), _layer(hidden, hidden)
        )
        self.after = nn.Sequential(
            _layer(hidden * (1 + len(kernel_sizes)), hidden), _layer(hidden, hidden, 3)
        )
        self.around = _layer(channels, hidden)
        self.project = _layer(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        maps = window_maxima(self.before(x), self.kernel_sizes)
        through = self.after(torch.cat(maps, dim=1))
        return self.project(torch.cat([through, self.around(x)], dim=1))


def _layer(in_channels: int, out_channels: int, kernel_size: int = 1) -> ConvBN:
    return ConvBN(in_channels, out_channels, kernel_size, activation=nn.SiLU())
