"""ParNet block of Non-deep Networks, and its deploy form."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import BatchNorm2d, ConvBN, one_of
from plugnas.modules._registry import register

_ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU}


@register(
    "parnet",
    slot="attention",
    family="reparameterised",
    name="ParNet block (RepVGG-SSE)",
    year=2021,
    paper="arXiv:2110.07641",
    origin="github.com/imankgoyal/NonDeepNetworks, BSD-3-Clause",
    choices={"normed_skip": (True, False), "activation": ("silu", "relu")},
    aliases=(
        "ParNetAttention",
        "NonDeepNetworks",
    ),
)
class ParNetBlock(nn.Module):
    """Adds a 3x3 and a 1x1 convolution and a gated skip; the convolutions merge at deployment.

    y = act(BN(3x3 conv x) + BN(1x1 conv x) + n sigmoid(W mean(n) + b)), with n = BN(x)
    (``normed_skip``, the paper) or n = x (circulating). (B, C, H, W) -> the same.
    ``fuse()``: one biased 3x3 convolution in place of the two branches; the gated skip stays, its
    norm a factor and a shift per channel.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ParNetAttention.py): the paper's norm in the skip, no bias before a norm.
    """

    def __init__(
        self, channels: int, *, normed_skip: bool = True, activation: str = "silu"
    ) -> None:
        super().__init__()
        self.wide = ConvBN(channels, channels, 3)
        self.point = ConvBN(channels, channels, 1)
        self.norm = BatchNorm2d(channels) if normed_skip else nn.Identity()
        self.gate = nn.Conv2d(channels, channels, 1)
        self.activation = _ACTIVATIONS[one_of("activation", activation, _ACTIVATIONS)]()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.wide(x) + self.point(x) + self._skip(x))

    def _skip(self, x: Tensor) -> Tensor:
        skip = self.norm(x)
        return skip * self.gate(skip.mean((2, 3), keepdim=True)).sigmoid()

    def fuse(self) -> nn.Module:
        """Return the block with one 3x3 convolution; equal outputs in eval mode."""
        wide, point = _folded(self.wide), _folded(self.point)
        norm = _affine(self.norm)
        if wide is None or point is None or norm is None:
            return self
        return _DeployedParNetBlock(_merge(wide, point), norm, self.gate, self.activation)


class _DeployedParNetBlock(nn.Module):
    """act(3x3 conv x + n sigmoid(W mean(n) + b)), n = a x + c per channel."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.Module, gate: nn.Module, activation: nn.Module
    ) -> None:
        super().__init__()
        self.conv, self.norm, self.gate, self.activation = conv, norm, gate, activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv(x) + self._skip(x))

    def _skip(self, x: Tensor) -> Tensor:
        skip = self.norm(x)
        return skip * self.gate(skip.mean((2, 3), keepdim=True)).sigmoid()


@torch.no_grad()
def _merge(wide: nn.Conv2d, point: nn.Conv2d) -> nn.Conv2d:
    """One 3x3 convolution that computes the sum of a 3x3 and a 1x1 one, both with bias."""
    merged = copy.deepcopy(wide)
    merged.weight = nn.Parameter(wide.weight + F.pad(point.weight, (1, 1, 1, 1)))
    if wide.bias is not None and point.bias is not None:
        merged.bias = nn.Parameter(wide.bias + point.bias)
    return merged


def _folded(branch: nn.Sequential) -> nn.Conv2d | None:
    """The branch's convolution with its norm inside; None where it cannot be."""
    conv, norm = branch[0], branch[1]
    if not isinstance(conv, nn.Conv2d):
        return None
    if can_fold(conv, norm):
        return fold(conv, norm)
    return conv if isinstance(norm, nn.Identity) else None


def _affine(norm: nn.Module) -> nn.Module | None:
    """A norm with running statistics as a depthwise 1x1 convolution; an identity stays one."""
    if not isinstance(norm, BatchNorm2d):
        return norm
    width = norm.num_features
    unit = nn.Conv2d(width, width, 1, groups=width, bias=False)
    unit.to(norm.weight.device, norm.weight.dtype)
    nn.init.ones_(unit.weight)
    return fold(unit, norm) if can_fold(unit, norm) else None
