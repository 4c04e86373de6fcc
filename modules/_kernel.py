"""A convolution's kernel without its groups, and its place in other kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules.errors import AdoptError


def by(sizes: Any) -> str:
    """Return sizes as people write them: ``3x3``."""
    return sizes if isinstance(sizes, str) else "x".join(map(str, sizes))


@dataclass(frozen=True)
class DenseKernel:
    """A convolution's kernel for every pair of filter and channel, to be placed in another one.

    ``weight`` (n, m, rows, columns) is zero where a filter does not read a channel; ``sees`` (n, m)
    is true where it does: the convolution's groups decide, not the values of its weights.
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
        """Return the kernel with filters and channels of zeros added behind its own."""
        more = (0, channels - self.sees.shape[1], 0, filters - self.sees.shape[0])
        weight = F.pad(self.weight, (0, 0, 0, 0, *more))
        return DenseKernel(weight, F.pad(self.sees, more), self.dilation)

    @classmethod
    def depthwise(cls, weight: Tensor, dilation: tuple[int, ...] = (1, 1)) -> DenseKernel:
        """Return the kernel of filters (n, 1, rows, columns), each of which reads one channel."""
        return cls(weight.detach(), torch.ones(len(weight), 1, dtype=torch.bool), dilation)

    @property
    def is_pointwise(self) -> bool:
        """Whether the kernel reads one pixel."""
        return self.weight.shape[2] * self.weight.shape[3] == 1

    def placed(self, kernel_size: tuple[int, ...], dilation: tuple[int, ...] = (1, 1)) -> Tensor:
        """Return this kernel as one of another size, (n, m, *kernel_size), with zeros elsewhere.

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
        """Where on one axis of another kernel the taps of this kernel are."""
        mine, middle = self.weight.shape[2 + axis], kernel_size[axis] // 2
        step = self.dilation[axis] / dilation[axis] if mine > 1 else 1
        if step % 1 or step * (mine // 2) > middle:
            raise AdoptError(
                f"a {by(kernel_size)} kernel of dilation {by(dilation)} has no taps where a "
                f"{by(self.weight.shape[2:])} one of dilation {by(self.dilation)} reads; take a "
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
