"""Starting an operator from the weights of a plain convolution, so that it computes the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._entry import Entry, Setting
from plugnas.modules._kernel import DenseKernel, by
from plugnas.modules._slots import Site
from plugnas.modules.errors import AdoptError, RefusedError


def can_adopt(entry: Entry, setting: Setting, conv: nn.Conv2d) -> str | None:
    """Return why an operator cannot start from a convolution's weights, or None if it can.

    Asked on the meta device: no weight is allocated, copied or changed.

    Args:
        entry: the module of the zoo that would take the convolution's place.
        setting: its setting; a choice that it does not name has its default.
        conv: the convolution; its channels and stride are the module's.

    Raises:
        UnknownModuleError: the setting names no choice of the module, or a value outside it.
    """
    if not entry.takes_weights:
        return f"`{entry.key}` cannot start from a convolution: its weights are lost"
    if type(conv) is not nn.Conv2d or "weight" not in conv._parameters:
        return _no_plain_convolution(conv)
    site = Site(conv.in_channels, 64, 64, conv.stride[0], conv.out_channels)
    with torch.device("meta"):
        twin = nn.Conv2d(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,  # type: ignore[arg-type]
            conv.dilation, conv.groups, conv.bias is not None, conv.padding_mode,  # type: ignore[arg-type]
        )  # fmt: skip
        try:
            module: Any = entry.build(site, setting)
        except RefusedError as error:
            return str(error)
    try:
        module.adopt(twin)
    except AdoptError as error:
        return str(error)
    return None


def _no_plain_convolution(conv: nn.Module) -> str:
    return (
        "only a plain torch.nn.Conv2d with a weight of its own can be adopted, but this is a "
        f"{type(conv).__name__}; remove what computes its weight first"
    )


def check_plain(
    conv: nn.Conv2d, in_channels: int, out_channels: int, stride: int, *, bias: bool = False
) -> None:
    """Check that a convolution keeps the contract of an operator.

    Args:
        conv: the convolution.
        in_channels: the operator's input channels. out_channels: its output channels.
        stride: its stride.
        bias: whether the operator can hold one.

    Raises:
        AdoptError: no plain convolution, other channels, another stride, a padding that is not
            d (k - 1) / 2 zeros, or a bias where the operator has none.
    """
    if type(conv) is not nn.Conv2d or "weight" not in conv._parameters:
        raise AdoptError(_no_plain_convolution(conv))
    if (conv.in_channels, conv.out_channels) != (in_channels, out_channels):
        raise AdoptError(
            f"the operator maps {in_channels} channels to {out_channels}, but the convolution maps "
            f"{conv.in_channels} to {conv.out_channels}; build the operator with the same widths"
        )
    if tuple(conv.stride) != (stride, stride):
        raise AdoptError(
            f"the operator has stride {stride} on both axes, but the convolution has "
            f"{by(conv.stride)}; build the operator with the same stride"
        )
    _check_padding(conv)
    if conv.bias is not None and not bias:
        raise AdoptError(
            "the operator has no bias, but the convolution has one; adopt the convolution without "
            "it and add the bias behind the operator"
        )


def _check_padding(conv: nn.Conv2d) -> None:
    wanted = [d * (k - 1) / 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    padding: Any = conv.padding
    if padding == "valid":
        padding = (0, 0)
    if (padding != "same" and list(padding) != wanted) or any(n % 1 for n in wanted):
        raise AdoptError(
            f"an operator keeps the size of a map, up to its stride: the padding must be d (k - 1) "
            f"/ 2, but the {by(conv.kernel_size)} convolution with dilation "
            f"{by(conv.dilation)} is padded by {by(padding)}; keep this convolution"
        )
    if conv.padding_mode != "zeros" and any(wanted):
        raise AdoptError(
            f"operators pad with zeros, but the convolution's padding_mode is "
            f"{conv.padding_mode!r}; keep this convolution"
        )


@torch.no_grad()
def load(target: nn.Conv2d, conv: nn.Conv2d, *, bias: bool = False) -> None:
    """Give ``target``, a convolution with the contract of an operator, the function of ``conv``.

    ``bias``: the caller keeps conv's bias elsewhere, as in a norm behind ``target``.

    Raises:
        AdoptError: target's channels, stride, kernel, dilation, groups or bias cannot hold it.
    """
    check_plain(
        conv, target.in_channels, target.out_channels, target.stride[0],
        bias=bias or target.bias is not None,
    )  # fmt: skip
    kernel = DenseKernel.of(conv)
    target.weight.copy_(kernel.grouped(target.kernel_size, target.dilation, target.groups))
    if target.bias is not None:
        target.bias.copy_(bias_of(conv))


@torch.no_grad()
def load_levels(levels: Iterable[nn.Module], conv: nn.Conv2d) -> None:
    """Share conv's filters, in order, among convolutions whose outputs are joined.

    Raises:
        AdoptError: a level's kernel, dilation or groups do not hold its filters.
    """
    targets = [level for level in levels if isinstance(level, nn.Conv2d)]
    first, width = targets[0], sum(level.out_channels for level in targets)
    check_plain(conv, first.in_channels, width, first.stride[0])
    kernel, start, weights = DenseKernel.of(conv), 0, []
    for level in targets:
        own = kernel.part(slice(start, start + level.out_channels))
        weights.append(own.grouped(level.kernel_size, level.dilation, level.groups))
        start += level.out_channels
    for level, weight in zip(targets, weights, strict=True):
        level.weight.copy_(weight)


def check_depthwise(conv: nn.Conv2d, channels: int, stride: int, *, bias: bool = False) -> None:
    """Check that a convolution filters each channel on its own; see ``check_plain``.

    Args:
        conv: the convolution.
        channels: the operator's channels, in and out.
        stride: the operator's stride.
        bias: whether the operator can hold one.

    Raises:
        AdoptError: the operator's contract is not kept, or filters see several channels.
    """
    check_plain(conv, channels, channels, stride, bias=bias)
    if conv.groups != channels:
        raise AdoptError(
            "the module filters each channel on its own, but the convolution has "
            f"{conv.groups} groups for its {channels} channels; keep this convolution"
        )


def pointwise_matrix(
    conv: nn.Conv2d, in_channels: int, out_channels: int, stride: int, *, bias: bool = False
) -> Tensor:
    """Return the matrix (Cout, Cin) of a 1 x 1 convolution; see ``check_plain``.

    Args:
        conv: the convolution.
        in_channels: the operator's input channels.
        out_channels: the operator's output channels.
        stride: the operator's stride.
        bias: whether the operator can hold one.

    Raises:
        AdoptError: the operator's contract is not kept, or the kernel is not 1 x 1.
    """
    check_plain(conv, in_channels, out_channels, stride, bias=bias)
    kernel = DenseKernel.of(conv)
    if not kernel.is_pointwise:
        raise AdoptError(
            "the operator holds 1x1 convolutions only, but this one is "
            f"{by(conv.kernel_size)}; keep this convolution"
        )
    return kernel.weight[:, :, 0, 0]


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Return the bias (Cout,) of a convolution, zeros where it has none."""
    if conv.bias is not None:
        return conv.bias.detach()
    return torch.zeros(conv.out_channels, dtype=conv.weight.dtype, device=conv.weight.device)


@torch.no_grad()
def pass_on(norm: nn.Module, bias: Tensor | None = None) -> None:
    """Make a batch norm add ``bias`` and nothing else, in eval mode."""
    source: Any = norm
    source.running_mean.zero_()
    source.running_var.fill_(1.0)
    source.weight.fill_(math.sqrt(1.0 + source.eps))
    source.bias.zero_()
    if bias is not None:
        source.bias.copy_(bias)


@torch.no_grad()
def centre_tap(target: nn.Conv2d, matrix: Tensor) -> None:
    """Let a convolution with odd kernels compute a pointwise matrix (Cout, Cin / groups)."""
    rows, columns = (n // 2 for n in target.kernel_size)
    target.weight.copy_(F.pad(matrix[:, :, None, None], (columns, columns, rows, rows)))
