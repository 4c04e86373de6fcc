"""Generic weights, the comparisons of numerics tests, and the pieces of slow references."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from plugnas import modules


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


def same(a: Tensor, b: Tensor) -> None:
    """Equal to 1e-9, relative to the size of the values."""
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * max(1.0, float(b.detach().abs().max())))


def copy_in_order(target: nn.Module, source: nn.Module) -> None:
    """Copy all floating tensors of the state over, matched by order and shape."""
    theirs = [t for t in source.state_dict().values() if t.is_floating_point()]
    ours = [t for t in target.state_dict().values() if t.is_floating_point()]
    assert [t.shape for t in ours] == [t.shape for t in theirs]
    for a, b in zip(ours, theirs, strict=True):
        a.copy_(b)


def check_deploy(module: nn.Module, x: Tensor, kind: type = nn.Conv2d) -> nn.Module:
    """The fused module, alone and inside a network, gives the eval outputs of the trained one."""
    module = generic(module)
    with torch.no_grad():
        y = module(x)
        fused = modules.fuse(module)
        assert isinstance(fused, kind)
        same(fused(x), y)
        same(module(x), y)  # the original is untouched
        net = nn.Sequential(module, nn.BatchNorm2d(y.shape[1]), nn.ReLU())
        net = generic(net, seed=3)
        same(modules.fuse(net)(x), net(x))
    return fused


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


def bilinear(x: Tensor, row: float, column: float) -> Tensor:
    """The value of (C, H, W) at one point, zeros outside: four neighbours, one by one."""
    y = torch.zeros(x.shape[0], dtype=x.dtype)
    top, left = math.floor(row), math.floor(column)
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                y += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return y
