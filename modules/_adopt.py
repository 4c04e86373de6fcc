"""Starting from a plain convolution: an operator that computes exactly what it computed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._entry import Entry, Setting
from plugnas.modules._slots import Site
from plugnas.modules.errors import AdoptError, RefusedError


def can_adopt(entry: Entry, setting: Setting, conv: nn.Conv2d) -> str | None:
    """Return why an operator cannot start from a convolution's weights, or None if it can.

    Asked on the meta device: no weight is allocated, copied or changed.

    Args:
        entry: the module of the zoo that would take the convolution's place.
        setting: its setting; what it leaves out stands at its default.
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
            f"{_by(conv.stride)}; build the operator with the same stride"
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
            f"/ 2, but the {_by(conv.kernel_size)} convolution with dilation "
            f"{_by(conv.dilation)} is padded by {_by(padding)}; keep this convolution"
        )
    if conv.padding_mode != "zeros" and any(wanted):
        raise AdoptError(
            f"operators pad with zeros, but the convolution's padding_mode is "
            f"{conv.padding_mode!r}; keep this convolution"
        )


def _by(sizes: Any) -> str:
    return sizes if isinstance(sizes, str) else "x".join(map(str, sizes))


@dataclass(frozen=True)
class DenseKernel:
    """A convolution written out over all pairs of channels, to be cut and put elsewhere.

    ``weight`` (n, m, rows, columns) has zeros where filter and channel do not meet; ``sees`` (n, m)
    tells where they do, by the convolution's groups and not by its values.
    """

    weight: Tensor
    sees: Tensor
    dilation: tuple[int, ...]

    @classmethod
    @torch.no_grad()
    def of(cls, conv: nn.Conv2d) -> DenseKernel:
        """Return a convolution's kernel with its groups written out."""
        weight = conv.weight.detach()
        filters, channels = torch.arange(conv.out_channels)[:, None], _channels_of(conv)
        sees = torch.zeros(conv.out_channels, conv.in_channels, dtype=torch.bool)
        sees[filters, channels] = True
        if conv.groups > 1:
            dense = weight.new_zeros(*sees.shape, *weight.shape[2:])
            dense[filters, channels] = weight
            weight = dense
        return cls(weight, sees, tuple(conv.dilation))

    def part(self, filters: slice, channels: slice = slice(None)) -> DenseKernel:
        """Return the kernel of some filters on some channels."""
        weight, sees = self.weight[filters, channels], self.sees[filters, channels]
        return DenseKernel(weight, sees, self.dilation)

    def where(self, mask: Tensor) -> DenseKernel:
        """Return the kernel without the pairs at which a mask (n, m), on the CPU, is false."""
        weight = self.weight * mask[:, :, None, None].to(self.weight)
        return DenseKernel(weight, self.sees & mask, self.dilation)

    def padded(self, filters: int, channels: int) -> DenseKernel:
        """Return the kernel with filters and channels that do nothing behind its own."""
        more = (0, channels - self.sees.shape[1], 0, filters - self.sees.shape[0])
        weight = F.pad(self.weight, (0, 0, 0, 0, *more))
        return DenseKernel(weight, F.pad(self.sees, more), self.dilation)

    @classmethod
    def depthwise(cls, weight: Tensor, dilation: tuple[int, ...] = (1, 1)) -> DenseKernel:
        """Return filters (n, 1, rows, columns) of which each sees its one channel."""
        return cls(weight.detach(), torch.ones(len(weight), 1, dtype=torch.bool), dilation)

    @property
    def is_pointwise(self) -> bool:
        """Whether the kernel reads one pixel."""
        return self.weight.shape[2] * self.weight.shape[3] == 1

    def placed(self, kernel_size: tuple[int, ...], dilation: tuple[int, ...] = (1, 1)) -> Tensor:
        """Return (n, m, *kernel_size), zeros but for the taps at which this kernel reads.

        Raises:
            AdoptError: this kernel reads where the other has no tap.
        """
        target = self.weight.new_zeros(*self.weight.shape[:2], *kernel_size)
        if bool(self.sees.any()):
            rows, columns = (
                self._taps(axis, kernel_size, dilation) for axis in range(len(kernel_size))
            )
            target[:, :, rows, columns] = self.weight
        return target

    def _taps(self, axis: int, kernel_size: tuple[int, ...], dilation: tuple[int, ...]) -> slice:
        """The taps of one axis of another kernel that stand where this kernel's do."""
        mine, middle = self.weight.shape[2 + axis], kernel_size[axis] // 2
        step = self.dilation[axis] / dilation[axis] if mine > 1 else 1
        if step % 1 or step * (mine // 2) > middle:
            raise AdoptError(
                f"a {_by(kernel_size)} kernel of dilation {_by(dilation)} has no taps where a "
                f"{_by(self.weight.shape[2:])} one of dilation {_by(self.dilation)} reads; take a "
                "larger kernel_size or a dilation that divides the convolution's"
            )
        start = middle - int(step) * (mine // 2)
        return slice(start, middle + int(step) * (mine // 2) + 1, int(step))

    def grouped(
        self, kernel_size: tuple[int, ...], dilation: tuple[int, ...], groups: int
    ) -> Tensor:
        """Return the weights (n, m / groups, *kernel_size) of an equal grouped convolution.

        Raises:
            AdoptError: a filter sees channels outside its group, or a tap is missing.
        """
        if groups == 1:
            return self.placed(kernel_size, dilation)
        filters, channels = self.sees.shape
        n, m = filters // groups, channels // groups
        blocks = [slice(g * n, g * n + n) for g in range(groups)]
        inside = [slice(g * m, g * m + m) for g in range(groups)]
        seen = sum(int(self.sees[a, b].sum()) for a, b in zip(blocks, inside, strict=True))
        if seen < int(self.sees.sum()):
            raise AdoptError(
                f"in {groups} groups a filter sees {m} of {channels} channels, and the "
                "convolution's filters see others; take fewer groups"
            )
        placed = self.placed(kernel_size, dilation)
        return torch.cat([placed[a, b] for a, b in zip(blocks, inside, strict=True)])


def _channels_of(conv: nn.Conv2d) -> Tensor:
    """The channels that each filter reads: (Cout, Cin / groups)."""
    per_group = conv.in_channels // conv.groups
    group = torch.arange(conv.out_channels) // (conv.out_channels // conv.groups)
    return group[:, None] * per_group + torch.arange(per_group)


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
            f"{_by(conv.kernel_size)}; keep this convolution"
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
    """Make a convolution with odd kernels the pointwise map of a matrix (Cout, Cin / groups)."""
    rows, columns = (n // 2 for n in target.kernel_size)
    target.weight.copy_(F.pad(matrix[:, :, None, None], (columns, columns, rows, rows)))
