"""The deploy form: a trained network rewritten so that it computes the same with less."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from plugnas.modules import _parts

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, _parts.StridedPointwise)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# Exact types: another subclass may compute more (an activation, conditional statistics).
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, _parts.BatchNorm2d)

_Conv = TypeVar("_Conv", bound=nn.Module)


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _bound_by_hooks(norm: nn.Module) -> bool:
    """Whether a hook needs this module itself; one that reads only the output can be moved."""
    hooks = norm._forward_hooks.values()
    movable = all(getattr(hook, "reads_output_alone", False) for hook in hooks)
    return bool(norm._forward_pre_hooks) or not movable


def can_fold(conv: nn.Module, norm: nn.Module) -> bool:
    """Return whether ``norm``, directly after ``conv``, can be folded into conv's weights."""
    return (
        type(conv) in _CONVS + _TRANSPOSED
        and type(norm) in _NORMS
        and norm.running_mean is not None
        and norm.num_features == conv.out_channels
        and not (_hooked(conv) or _bound_by_hooks(norm))
    )


@torch.no_grad()
def fold(conv: _Conv, norm: nn.Module) -> _Conv:
    """Return one convolution that computes ``norm(conv(x))`` with norm's running statistics.

    W' = s W and b' = beta + s (b - mu), with s = gamma / sqrt(var + eps) per output channel; gamma
    is 1 and beta 0 where the norm is not affine. Device, dtype, stride, padding, dilation, groups
    and padding mode are conv's.
    """
    source: Any = conv
    statistics: Any = norm
    folded: Any = copy.deepcopy(conv).eval()
    scale = torch.rsqrt(statistics.running_var + statistics.eps)
    if statistics.weight is not None:
        scale = scale * statistics.weight
    bias = -statistics.running_mean
    if source.bias is not None:
        bias = source.bias + bias
    bias = bias * scale
    if statistics.bias is not None:
        bias = bias + statistics.bias
    weight = source.weight
    spread = [1] * (weight.dim() - 2)
    if isinstance(source, _TRANSPOSED):  # (Cin, Cout / groups, ...): a group's outputs are axis 1
        grouped = weight.unflatten(0, (source.groups, -1))
        weight = (grouped * scale.reshape(source.groups, 1, -1, *spread)).flatten(0, 1)
    else:
        weight = weight * scale.reshape(-1, 1, *spread)
    folded.weight = nn.Parameter(weight.to(source.weight.dtype))
    folded.bias = nn.Parameter(bias.to(source.weight.dtype))
    return folded


def fuse(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` in deploy form and eval mode; ``model`` itself is untouched.

    Submodules with a ``fuse()`` of their own are replaced by what it returns, and a convolution
    followed by a batch norm in an ``nn.Sequential`` is folded. A submodule that stands in several
    places is rewritten once and shared again. A network in which nothing can be fused comes back
    as an equal copy.
    """
    return _fuse(copy.deepcopy(model).eval(), {})


def _fuse(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    """Rewrite in place, children first; ``done`` maps each module met to what replaced it."""
    if module in done:
        return done[module]
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _fuse(child, done)
    own = getattr(module, "fuse", None)
    fused = module
    if callable(own) and not any(_hooked(m) for m in module.modules() if m is not module):
        fused = own().eval()
        _move_hooks(module, fused)
    elif isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        _fold_chain(module)
    done[module] = done[fused] = fused
    return fused


def _fold_chain(chain: nn.Sequential) -> None:
    """Fold each conv, norm pair of a chain; an identity replaces the norm to keep the names."""
    for i in range(len(chain) - 1):
        if can_fold(chain[i], chain[i + 1]):
            chain[i] = fold(chain[i], chain[i + 1])
            norm, chain[i + 1] = chain[i + 1], nn.Identity().eval()
            _move_hooks(norm, chain[i + 1])


def _move_hooks(module: nn.Module, fused: nn.Module) -> None:
    """Move the hooks of a module to the module that replaces it."""
    if fused is not module:
        fused._forward_hooks.update(module._forward_hooks)
        fused._forward_pre_hooks.update(module._forward_pre_hooks)
