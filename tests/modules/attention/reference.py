"""Layers by their formula on a single (C, H, W) map, for the slow references of this folder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pointwise(conv: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution or linear layer as a product over axis 0 of (C, ...)."""
    y = torch.tensordot(conv.weight.reshape(conv.weight.shape[:2]), x, dims=1)
    return y if conv.bias is None else y + conv.bias.reshape(-1, *[1] * (x.dim() - 1))


def bn(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch norm in eval mode on (C, ...)."""
    one = [-1, *[1] * (x.dim() - 1)]
    scaled = (x - norm.running_mean.view(one)) / (norm.running_var.view(one) + norm.eps) ** 0.5
    return scaled * norm.weight.view(one) + norm.bias.view(one)


def pixel(x: Tensor, i: int, j: int) -> Tensor:
    """x[:, i, j] of (C, H, W), zero outside the map."""
    inside = 0 <= i < x.shape[1] and 0 <= j < x.shape[2]
    return x[:, i, j] if inside else torch.zeros_like(x[:, 0, 0])


def conv(layer: nn.Module, x: Tensor) -> Tensor:
    """A grouped, dilated, zero-padded convolution of (C, H, W), tap by tap."""
    out_channels, width, rows, columns = layer.weight.shape
    dilation, groups = layer.dilation[0], layer.groups
    y = torch.zeros(out_channels, *x.shape[1:], dtype=x.dtype)
    for o in range(out_channels):
        first = o // (out_channels // groups) * width
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for a in range(rows):
                    for b in range(columns):
                        at = (i + dilation * (a - rows // 2), j + dilation * (b - columns // 2))
                        taps = pixel(x, *at)[first : first + width]
                        y[o, i, j] += layer.weight[o, :, a, b] @ taps
    return y if layer.bias is None else y + layer.bias[:, None, None]
