"""The deploy form: a trained network rewritten so that it computes the same with less."""

from __future__ import annotations

import copy

import torch
from torch import nn

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def can_fold(conv: nn.Module, norm: nn.Module) -> bool:
    """Return whether ``norm``, directly after ``conv``, can be folded into conv's weights."""
    return (
        type(conv) in _CONVS + _TRANSPOSED
        and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
        and norm.running_mean is not None
        and norm.num_features == conv.out_channels
        and not (conv._forward_hooks or norm._forward_hooks)
    )


@torch.no_grad()
def fold(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """Return one convolution that computes ``norm(conv(x))`` with norm's running statistics.

    W' = s W and b' = beta + s (b - mu), with s = gamma / sqrt(var + eps) per output channel; gamma
    is 1 and beta 0 where the norm is not affine. Device, dtype, stride, padding, dilation, groups
    and padding mode are conv's.
    """
    folded = copy.deepcopy(conv).eval()
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    bias = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias
    weight = conv.weight
    if isinstance(
        conv, _TRANSPOSED
    ):  # (Cin, Cout / groups, ...): the outputs of a group are axis 1
        grouped = weight.unflatten(0, (conv.groups, -1))
        per_output = scale.view(conv.groups, 1, -1, *[1] * (weight.dim() - 2))
        weight = (grouped * per_output).flatten(0, 1)
    else:
        weight = weight * scale.view(-1, *[1] * (weight.dim() - 1))
    folded.weight = nn.Parameter(weight.to(conv.weight.dtype))
    folded.bias = nn.Parameter(bias.to(conv.weight.dtype))
    return folded


def fuse(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` in deploy form and eval mode; ``model`` itself is untouched.

    Submodules with a ``fuse()`` of their own are replaced by what it returns, and a convolution
    followed by a batch norm in an ``nn.Sequential`` is folded. A network in which nothing can be
    fused comes back as an equal copy.
    """
    return _fuse(copy.deepcopy(model).eval())


def _fuse(module: nn.Module) -> nn.Module:
    for name, child in list(module.named_children()):
        setattr(module, name, _fuse(child))
    own = getattr(module, "fuse", None)
    if callable(own):
        return own().eval()
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        _fold_chain(module)
    return module


def _fold_chain(chain: nn.Sequential) -> None:
    """Fold each conv, norm pair of a chain; an identity takes the norm's place, so names stay."""
    for i in range(len(chain) - 1):
        if can_fold(chain[i], chain[i + 1]):
            chain[i] = fold(chain[i], chain[i + 1])
            chain[i + 1] = nn.Identity()
