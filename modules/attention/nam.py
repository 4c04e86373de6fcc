"""Normalization-based attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d
from plugnas.modules._registry import register


class NormGate(nn.Module):
    """Multiplies the map by the sigmoid of its batch norm: (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.norm(x).sigmoid()


@register(
    "nam",
    slot="attention",
    family="channel",
    name="Normalization-based attention",
    year=2021,
    paper="arXiv:2111.12419",
    aliases=("NAM", "NAMAttention"),
    origin="github.com/Christian-lyc/NAM, NOASSERTION",
)
class NormalizationAttention(nn.Module):
    """Gates each value by its batch norm, weighted by the channel's share of the norm's scales.

    w_c = |g_c| / sum_j |g_j| with g the scales (gamma) that the batch norm learns;
    y = x sigmoid(w_c BN(x)_c). (B, C, H, W) -> the same. The norm's scale and shift are the only
    parameters. ``fuse()`` multiplies w into them.

    This is the paper's channel part. Its spatial part learns a scale for each pixel of one fixed
    map size, so it cannot stand at any H and W. Departs from the authors' code: no ReLU before
    the sigmoid (their formula has none), and w takes part in the gradient.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.norm(x) * self._shares()[:, None, None]).sigmoid()

    def _shares(self) -> Tensor:
        """The weight of each channel, (C,); they sum to 1."""
        scales = self.norm.weight.abs()
        return scales / scales.sum().clamp_min(torch.finfo(scales.dtype).tiny)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return the gate with the channels' weights inside the norm's scale and shift."""
        gate = NormGate(self.norm.num_features).to(self.norm.weight)
        gate.load_state_dict(self.state_dict())
        shares = self._shares()
        gate.norm.weight.mul_(shares)
        gate.norm.bias.mul_(shares)
        return gate
