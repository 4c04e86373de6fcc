"""Parallel convolutions, each with its norm, and the one convolution that computes their sum."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import bias_of, load, pass_on
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import BatchNorm2d


class Branches(nn.Module):
    """y = sum over i of norm_i(conv_i(x)), or of norm_i(x) where a branch is a batch norm alone.

    Kernels are odd and padded so that all are aligned; stride and groups are those of the first
    branch, which has the largest kernel and no dilation. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)). The deploy form is one nn.Conv2d with bias, of the first branch's shape.
    """

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.branches
        y: Tensor = first(x)
        for branch in rest:
            y = y + branch(x)
        return y

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs in eval mode.

        The first branch takes them, the others start at 0. In training each norm uses the
        statistics of the batch, which a norm behind the sum takes out again.

        Raises:
            AdoptError: the first branch does not hold it.
        """
        chain, *rest = self.branches
        first: Any = chain
        load(first[0], conv, bias=True)
        pass_on(first[1], bias_of(conv))
        for branch in rest:
            norm: Any = branch[1] if isinstance(branch, nn.Sequential) else branch
            pass_on(norm)
            norm.weight.zero_()

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return one convolution with the same eval outputs; itself, if a norm cannot fold."""
        first: Any = self.branches[0]
        convs = [_folded(branch, first[0]) for branch in self.branches]
        total: Any = copy.deepcopy(convs[0])
        if any(conv.bias is None for conv in convs):
            return self
        for conv in convs[1:]:
            rows, columns = (_taps(conv, axis, total) for axis in (0, 1))
            total.weight[:, :, rows, columns] += conv.weight
            total.bias += conv.bias
        return total


def _folded(branch: nn.Module, like: nn.Conv2d) -> nn.Conv2d:
    """The branch as one convolution; ``modules.fuse`` may have folded it already.

    A convolution that comes back without a bias has its norm still behind it.
    """
    pair: Any = branch if isinstance(branch, nn.Sequential) else (_identity(like), branch)
    conv, norm = pair
    return fold(conv, norm) if can_fold(conv, norm) else conv


def _identity(like: nn.Conv2d) -> nn.Conv2d:
    """The pointwise convolution, in the groups of another one, that changes nothing."""
    conv = nn.Conv2d(like.in_channels, like.out_channels, 1, groups=like.groups, bias=False)
    nn.init.dirac_(conv.weight, like.groups)
    return conv.to(like.weight)


def _taps(conv: nn.Conv2d, axis: int, other: nn.Conv2d) -> slice:
    """The taps of ``other`` that read, on one axis, where those of ``conv`` read."""
    reach = conv.dilation[axis] * (conv.kernel_size[axis] // 2)
    middle = other.kernel_size[axis] // 2
    return slice(middle - reach, middle + reach + 1, conv.dilation[axis])


def identity_branch(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    """The batch norm of the input as a branch, where input and output have one shape."""
    return [BatchNorm2d(out_channels)] if stride == 1 and in_channels == out_channels else []
