"""Generic weights and the pieces of which slow references are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def generic(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module frozen, in float64 and eval mode; parameters and norm statistics drawn anew."""
    module = module.double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(values * (0.5 if parameter.dim() > 1 else 1.0))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                values = torch.randn(buffer.shape, generator=generator, dtype=torch.float64)
                buffer.copy_(0.3 * values)
            if name.endswith("running_var"):
                values = torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
                buffer.copy_(values + 0.5)
    return module


def rand(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal float64 values."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch_norm(x: Tensor, norm: nn.Module) -> Tensor:
    """Batch norm of (B, C, ...) by its formula, with the running statistics."""
    mean, var, gamma, beta = (
        t.reshape(1, -1, *[1] * (x.dim() - 2))
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return gamma * (x - mean) / (var + norm.eps) ** 0.5 + beta


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution of (B, C, ...) as a matrix product over the channels."""
    y = torch.tensordot(weight.flatten(1), x, dims=([1], [1])).movedim(0, 1)
    return y if bias is None else y + bias.reshape(1, -1, *[1] * (x.dim() - 2))


def conv_same(x: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Zero-padded dense convolution of (B, C, H, W) as a sum of shifted pointwise ones."""
    rows, columns = weight.shape[2:]
    y = x.new_zeros(x.shape[0], weight.shape[0], *x.shape[2:])
    height, width = x.shape[2:]
    for i in range(rows):
        for j in range(columns):
            dy, dx = dilation * (i - rows // 2), dilation * (j - columns // 2)
            for r in range(max(0, -dy), min(height, height - dy)):
                for c in range(max(0, -dx), min(width, width - dx)):
                    tap = weight[:, :, i, j]
                    y[:, :, r, c] += x[:, :, r + dy, c + dx] @ tap.T
    return y


def conv_bn(x: Tensor, block: nn.Sequential, dilation: int = 1) -> Tensor:
    """A ``ConvBN`` without its activation, by the formulas above."""
    return batch_norm(conv_same(x, block[0].weight, dilation), block[1])
