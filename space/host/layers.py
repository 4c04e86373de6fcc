"""What stands at a place of a host: convolutions and activations, and how they are told."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from plugnas import modules
from plugnas.space.host.records import Conv

# Class names, so that the activations of other libraries are known without importing them.
_ACTIVATIONS = frozenset(
    {
        "celu",
        "elu",
        "gelu",
        "gelutanh",
        "geluquick",
        "hardmish",
        "hardmishjit",
        "hardmishme",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leakyrelu",
        "logsigmoid",
        "memoryefficientswish",
        "mish",
        "prelu",
        "quickgelu",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "sigmoid",
        "silu",
        "siluinplace",
        "softplus",
        "softsign",
        "swish",
        "tanh",
        "tanhshrink",
    }
)


def is_activation(module: nn.Module) -> bool:
    """Return whether a module computes one value from one value."""
    if isinstance(module, tuple(entry.cls for entry in modules.entries("activation"))):
        return True
    return type(module).__name__.lower() in _ACTIVATIONS


def conv_of(module: nn.Module) -> Conv | None:
    """Return what a 2-d convolution is, None for every other module."""
    if not isinstance(module, nn.Conv2d):
        return None
    padding = module.padding if isinstance(module.padding, str) else _pair(module.padding)
    return Conv(
        module.in_channels,
        module.out_channels,
        _pair(module.kernel_size),
        _pair(module.stride),
        padding,
        _pair(module.dilation),
        module.groups,
        module.bias is not None,
        module.padding_mode,
        type(module) is nn.Conv2d,
    )


def conv_from(conv: Conv) -> nn.Conv2d:
    """Return a fresh convolution of this shape."""
    return nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        conv.bias,
        conv.padding_mode,  # type: ignore[arg-type]
    )


def kind_of(module: nn.Module) -> str:
    """Return what a module is, in a few words."""
    if (conv := conv_of(module)) is not None:
        return conv.text
    name = type(module).__name__
    if isinstance(module, nn.Linear):
        return f"{name} {module.in_features} -> {module.out_features}"
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return f"{name} {module.num_features}"
    if isinstance(module, torch.jit.ScriptModule):
        return f"{module.original_name} (scripted)"
    return name


def width_out(module: nn.Module) -> int | None:
    """Return the outputs of a layer that can be a classifier: linear, or a convolution."""
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    return None


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)
