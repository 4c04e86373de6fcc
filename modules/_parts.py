"""Pieces that several mechanisms share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules.errors import RefusedError, did_you_mean


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that also trains on one value per channel, where it uses the running statistics.

    torch's raises there (batch 1 after global pooling); everywhere else this is torch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class GroupNorm(nn.GroupNorm):
    """Group norm that also takes one value per group, where it gives its bias (torch's raises)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm of (B, C, H, W) over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvBN(nn.Sequential):
    """Same-padded convolution without bias, batch norm and an optional activation.

    (B, Cin, H, W) -> (B, Cout, ceil(H / stride), ceil(W / stride)) for odd kernels; folded by
    ``modules.fuse``.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        kernel_size: taps per side, or (rows, columns); odd.
        stride: at least 1, or one for each axis.
        dilation: d, pixels from one tap to the next.
        groups: groups of the convolution; they must divide both widths.
        activation: what stands behind the norm; a ReLU is made to work in place.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 1,
        *,
        stride: int | tuple[int, int] = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )
        layers = [conv, BatchNorm2d(out_channels)]
        if isinstance(activation, nn.ReLU):
            activation.inplace = True  # nothing else reads the norm's output
        super().__init__(*layers, *([] if activation is None else [activation]))


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 1,
    *,
    stride: int | tuple[int, int] = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Convolution with zero padding d (k - 1) / 2 per side: the size becomes ceil(H / stride).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        kernel_size: k, taps per side, or (rows, columns); odd.
        stride: at least 1, or one for each axis.
        dilation: d, pixels from one tap to the next.
        groups: groups of channels; they must divide both widths.
        bias: whether each output channel has one.
    """
    kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    strided_point = kernel == (1, 1) and stride not in (1, (1, 1))
    kind = StridedPointwise if strided_point and in_channels < 8 else nn.Conv2d
    return kind(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=bias)


class StridedPointwise(nn.Conv2d):
    """A 1 x 1 convolution with a stride, computed on every stride-th position alone.

    The same function as ``nn.Conv2d``. Its own backward must not run: with fewer than 8 input
    channels in channels_last, oneDNN 3.12 (torch 2.14) writes beyond a buffer on processors that
    have AVX2 and no AVX-512, and the process ends sooner or later.
    """

    def forward(self, x: Tensor) -> Tensor:
        down, across = self.stride
        return F.conv2d(x[:, :, ::down, ::across], self.weight, self.bias, groups=self.groups)


def hidden_width(channels: int, reduction: int, minimum: int = 1) -> int:
    """Width of a bottleneck: ``channels // reduction``, never below ``minimum``."""
    return max(minimum, channels // reduction)


def resize_like(x: Tensor, reference: Tensor, mode: str = "bilinear") -> Tensor:
    """Resample x to the height and width of reference; x itself where they already agree."""
    if x.shape[-2:] == reference.shape[-2:]:
        return x
    corners = None if mode == "nearest" else False
    return F.interpolate(x, size=reference.shape[-2:], mode=mode, align_corners=corners)


def pad_to_multiple(x: Tensor, multiple: int | tuple[int, int]) -> Tensor:
    """Zero-pad (B, C, H, W) at the bottom and right until both sides are multiples."""
    rows, columns = (multiple, multiple) if isinstance(multiple, int) else multiple
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % columns, 0, -height % rows))


def channel_mean_max(x: Tensor) -> Tensor:
    """Mean and maximum over the channels: (B, C, H, W) -> (B, 2, H, W)."""
    return torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)


def common_divisor(limit: int, *widths: int) -> int:
    """The largest number up to ``limit`` that divides every width: groups that always fit."""
    common = math.gcd(*widths)
    return max(d for d in range(1, min(limit, common) + 1) if common % d == 0)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave groups of channels: view C as groups x C / groups, transpose, flatten."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def drop_path(x: Tensor, rate: float, *, training: bool) -> Tensor:
    """Stochastic depth: in training, zero whole samples and divide the others by 1 - rate."""
    if rate == 0.0 or not training:
        return x
    kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device) >= rate
    return x * kept / (1.0 - rate)


def window_taps(x: Tensor, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> list[Tensor]:
    """The maps that the k x k places of a sliding window read, row by row, as views.

    Args:
        x: (..., H, W), padded already; each map is (..., rows, columns), as of a convolution.
        kernel_size: k, places per side.
        stride: s, pixels from one window to the next.
        dilation: pixels from one place of a window to the next.
    """
    rows, columns = ((n - dilation * (kernel_size - 1) - 1) // stride for n in x.shape[-2:])
    places = [dilation * i for i in range(kernel_size)]
    bands = [x[..., i : i + rows * stride + 1 : stride, :] for i in places]
    return [band[..., j : j + columns * stride + 1 : stride] for band in bands for j in places]


def sum_of_products(factors: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """Sum of a_i b_i over a handful of pairs that broadcast, without forming them all at once."""
    total: Tensor | None = None
    for a, b in zip(factors, others, strict=True):
        if total is None:
            shape = torch.broadcast_shapes(a.shape, b.shape)
            total = torch.zeros(shape, dtype=torch.result_type(a, b), device=a.device)
        total = torch.addcmul(total, a, b)
    if total is None:
        raise ValueError("a sum of products needs at least one pair")
    return total


def first_alike(values: Iterable[Any], value: Any, effect: Callable[[Any], Any]) -> Any:
    """The first of some values with the effect of ``value``: what declarations call the same."""
    return next(other for other in values if effect(other) == effect(value))


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return ``value``, given for the setting ``name`` of a constructor.

    Raises:
        RefusedError: the value is not among ``allowed``.
    """
    known = tuple(allowed)
    if value not in known:
        hint = did_you_mean(value, known)
        raise RefusedError(f"`{name}` must be one of {', '.join(known)}, but got {value!r}{hint}")
    return value
