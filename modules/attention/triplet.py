"""Triplet attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d
from plugnas.modules._registry import register

# For each branch: the axis that is pooled away, and the order that brings the pooled (B, 1, ...)
# plane back to its place in (B, C, H, W).
_BRANCHES = {"height": (2, (0, 2, 1, 3)), "width": (3, (0, 3, 2, 1)), "channel": (1, (0, 1, 2, 3))}


@register(
    "triplet",
    slot="attention",
    family="cross_dimension",
    name="Triplet attention",
    year=2020,
    paper="arXiv:2010.03045",
    origin="github.com/landskape-ai/triplet-attention, MIT",
    choices={"kernel_size": (3, 5, 7), "spatial": (True, False)},
    aliases=(
        "TripletAttention",
        "RotateToAttend",
    ),
)
class TripletAttention(nn.Module):
    """Averages three gates, each a convolution over the plane left by pooling one axis.

    For each axis of C, H, W: u = [max, mean] of x along it, two maps over the plane of the other
    two axes; gate = sigmoid(BN(k x k conv of u)), broadcast along the pooled axis.
    y = x times the mean of the gates (without ``spatial``: of the two planes that hold C).
    (B, C, H, W) -> the same, for any sizes; each gate has its own 2 k^2 weights.

    The planes are (C, W) where H is pooled, (H, C) where W is, and (H, W) where C is.
    """

    def __init__(self, channels: int, *, kernel_size: int = 7, spatial: bool = True) -> None:
        super().__init__()
        names = list(_BRANCHES) if spatial else ["height", "width"]
        self.gates = nn.ModuleDict(
            {
                name: nn.Sequential(conv2d(2, 1, kernel_size), BatchNorm2d(1, momentum=0.01))
                for name in names
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        gated = torch.zeros_like(x)
        for name, gate in self.gates.items():
            gated = gated + x * self._gate(x, name, gate)
        return gated / len(self.gates)

    def _gate(self, x: Tensor, name: str, gate: nn.Module) -> Tensor:
        axis, order = _BRANCHES[name]
        pooled = torch.cat([x.amax(axis, keepdim=True), x.mean(axis, keepdim=True)], dim=axis)
        return gate(pooled.permute(order)).sigmoid().permute(order)
