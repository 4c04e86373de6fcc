"""Fast Fourier convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, hidden_width, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules._spectrum import from_spectrum, spectrum


def _global_width(channels: int, ratio: float) -> int:
    """Channels of the global part: at least one, and at least one left for the local part."""
    return min(max(1, int(channels * ratio)), channels - 1)


def _widths(site: Site, setting: Setting) -> tuple[int, int]:
    """Channels of the global part, in and out."""
    entering = _global_width(site.channels, setting["ratio"])
    return entering, _global_width(site.width_out, setting["ratio"]) if entering else 0


def _quarters(site: Site, setting: Setting) -> bool:
    """Whether a local unit is there: only beside a global one."""
    return setting["local"] and all(_widths(site, setting))


class _FourierUnit(nn.Module):
    """A pointwise layer on the spectrum of the whole map: every output sees every pixel.

    F = orthonormal real FFT of x over (H, W); real and imaginary parts of a channel stand side by
    side as two; relu(BN(1x1)) maps 2 Cin of them to 2 Cout; inverse FFT.
    (B, Cin, H, W) -> (B, Cout, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = ConvBN(2 * in_channels, 2 * out_channels, activation=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.view_as_real(spectrum(x))  # (B, C, H, W // 2 + 1, 2)
        u = self.mix(parts.permute(0, 1, 4, 2, 3).flatten(1, 2).to(x.dtype)).to(parts.dtype)
        height, width = x.shape[-2:]
        return from_spectrum(torch.complex(u[:, ::2], u[:, 1::2]), (height, width)).to(x.dtype)


class _SpectralTransform(nn.Module):
    """Fourier units over the map and, with ``local``, over its quarters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, local: bool) -> None:
        super().__init__()
        hidden = hidden_width(out_channels, 2)
        self.stride = stride
        self.enter = ConvBN(in_channels, hidden, activation=nn.ReLU())
        self.whole = _FourierUnit(hidden, hidden)
        self.quarter = -(-hidden // 4)  # channels that the local unit reads
        self.quarters = _FourierUnit(4 * self.quarter, hidden) if local else None
        self.project = conv2d(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True)
        x = self.enter(x)
        y = x + self.whole(x)
        if self.quarters is not None:
            height, width = x.shape[-2:]
            even = pad_to_multiple(x[:, : self.quarter], 2)
            # upper left, lower left, upper right, lower right
            parts = [p for side in even.chunk(2, dim=3) for p in side.chunk(2, dim=2)]
            tile = self.quarters(torch.cat(parts, dim=1))
            y = y + tile.repeat(1, 1, 2, 2)[:, :, :height, :width]
        return self.project(y)


@register(
    "ffc",
    slot="operator",
    family="frequency",
    name="Fast Fourier convolution",
    year=2020,
    paper="NeurIPS 2020 (Chi, Jiang, Mu)",
    choices={"ratio": (0.25, 0.5, 0.75), "local": (True, False)},
    aliases=("FastFourierConv", "FastFourierConvolution"),
    origin="github.com/pkumivision/FFC, Apache-2.0",
    same={"ratio": _widths, "local": _quarters},
)
class FastFourierConvolution(nn.Module):
    """Convolves some channels in space and others in the spectrum, and adds each to the other.

    x = [l, g], y = [l', g']; g and g' are the last ``ratio`` C channels, at least one and at most
    all but one. l' = A l + B g, g' = D l + S g, with 3x3 convolutions A, B, D of stride s. S: mean
    over s x s; u = relu(BN(1x1(g; -> m))), m = max(1, C(g') // 2); 1x1(u + U(u) + L(u)). U:
    orthonormal FFT of the map, relu(BN(1x1)) on its real and imaginary parts, inverse FFT. L
    (``local``): the first ceil(m / 4) channels' quarters side by side as channels, a U of its own,
    its result repeated in all four quarters. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code: odd sides are padded with zeros to be quartered, widths that 4
    does not divide work, norm and activation behind y are left to the host. A single input channel
    is local.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        ratio: share of the channels that are global, between 0 and 1.
        local: whether quarters of the map have a spectrum of their own (L).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        ratio: float = 0.5,
        local: bool = True,
    ) -> None:
        super().__init__()
        entering, leaving = (_global_width(c, ratio) for c in (in_channels, out_channels))
        self.near = in_channels - entering  # channels of the local part
        self.from_local = conv2d(self.near, out_channels, 3, stride=stride)  # A and D
        self.to_local = self.spectral = None
        if entering:
            self.to_local = conv2d(entering, out_channels - leaving, 3, stride=stride)
            if leaving:
                self.spectral = _SpectralTransform(entering, leaving, stride, local=local)

    def forward(self, x: Tensor) -> Tensor:
        near, far = x.tensor_split([self.near], dim=1)
        y = self.from_local(near)
        if self.to_local is None:
            return y
        parts = [self.to_local(far)]
        if self.spectral is not None:
            parts.append(self.spectral(far))
        return y + torch.cat(parts, dim=1)
