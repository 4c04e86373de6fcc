"""Generic weights and statistics for numerics tests, and the check of a deploy form."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

import modules


def generic(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return the module in eval mode and float64 with random parameters and norm statistics."""
    generator = torch.Generator().manual_seed(seed)

    def rand(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.4 * rand(parameter) + 0.05)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.3 * rand(buffer))
            if name.endswith("running_var"):
                buffer.copy_(0.5 + rand(buffer).abs())
    return module


def rand(*shape: int, seed: int = 1) -> Tensor:
    """A random float64 map."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


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
        assert type(fused) is kind
        same(fused(x), y)
        same(module(x), y)  # the original is untouched
        net = nn.Sequential(module, nn.BatchNorm2d(y.shape[1]), nn.ReLU())
        net = generic(net, seed=3)
        same(modules.fuse(net)(x), net(x))
    return fused


def bilinear(x: Tensor, row: float, column: float) -> Tensor:
    """The value of (C, H, W) at one point, zeros outside: four neighbours, one by one."""
    y = torch.zeros(x.shape[0], dtype=x.dtype)
    top, left = math.floor(row), math.floor(column)
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                y += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return y
