"""Anti-aliased downsampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_FORMS = ("conv", "max")


class BlurPool2d(nn.Module):
    """Filters each channel by binomial weights, then keeps every s-th pixel of every s-th row.

    The filter is v v^T / 4^(m - 1), v the binomial coefficients of order m - 1 (1 2 1; 1 4 6 4 1).
    (B, C, H, W) -> (B, C, ceil(H / s), ceil(W / s)); the border is mirrored, and repeated where the
    map is too small for its mirror image.
    """

    filter: Tensor

    def __init__(self, channels: int, *, stride: int = 2, filter_size: int = 3) -> None:
        super().__init__()
        self.stride, self.border = stride, filter_size // 2
        order = filter_size - 1
        line = torch.tensor([math.comb(order, i) / 2**order for i in range(filter_size)])
        square = torch.outer(line, line)
        self.register_buffer("filter", square.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        mode = "reflect" if min(x.shape[-2:]) > self.border else "replicate"
        x = F.pad(x, (self.border,) * 4, mode=mode)
        return F.conv2d(x, self.filter, stride=self.stride, groups=x.shape[1])


def _blur(site: Site, setting: Setting) -> int:
    """Taps of the filter; nothing is blurred without a stride."""
    return setting["filter_size"] if site.stride > 1 else 1


@register(
    "blur_pool",
    slot="operator",
    family="downsampling",
    name="Anti-aliased downsampling (BlurPool)",
    year=2019,
    paper="arXiv:1904.11486",
    choices={"form": _FORMS, "filter_size": (3, 5)},
    aliases=("BlurPool2d", "AntiAliasing", "MaxBlurPool"),
    origin="github.com/adobe/antialiased-cnns, CC-BY-NC-SA-4.0",
    same={"filter_size": _blur},
)
class AntiAliased(nn.Module):
    """Computes at full resolution and blurs before skipping pixels: shifts change less.

    conv: y = blur(relu(BN(conv 3x3(x)))), the convolution with stride 1; max: y = blur(3x3 maximum
    of x at stride 1), after a 1x1 convolution where Cin differs from Cout. blur: a binomial filter
    of m x m with stride s (see ``BlurPool2d``). At stride 1 nothing is skipped and nothing blurred.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code, whose filter has 4 taps by default and moves the map by half a
    pixel: the paper's odd ones.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        form: ``conv`` or ``max``: what is computed at full resolution.
        filter_size: m, taps per side of the blur, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        form: str = "conv",
        filter_size: int = 3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if one_of("form", form, _FORMS) == "conv":
            layers.append(ConvBN(in_channels, out_channels, 3, activation=nn.ReLU()))
        else:
            if in_channels != out_channels:
                layers.append(conv2d(in_channels, out_channels))
            layers.append(nn.MaxPool2d(3, 1, padding=1))
        if stride > 1:
            layers.append(BlurPool2d(out_channels, stride=stride, filter_size=filter_size))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
