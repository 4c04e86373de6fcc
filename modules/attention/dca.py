"""Connected attention (DCANet): the gates of one attention block are an input of the next."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width, one_of
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck

_MODES = ("direct", "weighted")


class ConnectedSE(nn.Module):
    """Squeeze-and-excitation that takes the gates of a previous one and returns its own.

    ``forward(x, previous)`` with x (B, C, H, W) and previous (B, P) gives y (B, C, H, W) and the
    gates (B, C). The channel means m and the previous gates t, brought to C channels by a linear
    map, layer norm and ReLU where P differs, are joined: m + t (``direct``), or
    relu(LayerNorm(a m + b t)) with learned a and b (``weighted``). The join goes through
    sigmoid(W2 relu(W1 .)). Without ``previous_channels`` there is no predecessor, and this is SE.

    Args:
        channels: C, channels of the map.
        reduction: the hidden layer has C // reduction channels, at least 1.
        mode: ``direct`` or ``weighted``: how means and previous gates are joined.
        previous_channels: P, gates of the one before; None for the first of a chain.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int,
        mode: str,
        previous_channels: int | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.match: nn.Module = nn.Identity()
        if previous_channels not in (None, channels):
            self.match = nn.Sequential(
                nn.Linear(previous_channels, channels), nn.LayerNorm(channels), nn.ReLU()
            )
        self.mix: nn.Linear | None = None
        if one_of("mode", mode, _MODES) == "weighted" and previous_channels is not None:
            self.mix = nn.Linear(2, 1, bias=False)
            self.norm = nn.LayerNorm(channels)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, previous: Tensor | None = None) -> tuple[Tensor, Tensor]:
        means = x.mean((2, 3))
        if previous is not None:
            previous = self.match(previous)
            if self.mix is None:
                means = means + previous
            else:
                mixed = self.mix(torch.stack([means, previous], dim=-1)).squeeze(-1)
                means = F.relu(self.norm(mixed))
        gates = self.excite(F.relu(self.squeeze(means))).sigmoid()
        return x * gates[..., None, None], gates


@register(
    "dca",
    slot="attention",
    family="channel",
    name="Connected attention (DCANet)",
    year=2020,
    paper="arXiv:2007.05099",
    origin="github.com/13952522076/DCANet, NOASSERTION",
    choices={
        "reduction": (4, 8, 16),
        "mode": _MODES,
        "depth": (2, 3),
    },
    same={"reduction": bottleneck()},
    aliases=(
        "CSELayer",
        "DCANet",
    ),
)
class DCA(nn.Module):
    """Gates channels by a chain of squeeze-and-excitations; each reads the gates of the last.

    x_1, t_1 = SE(x); x_k, t_k = ConnectedSE_k(x_(k-1), t_(k-1)); y = x_depth.
    (B, C, H, W) -> the same. ``ConnectedSE`` is the link by itself, for a network that carries t
    from block to block.

    Departs from the paper: there the links sit in successive blocks of a network; a plug-in sees
    one place only, so the chain stands inside it (without one it would be SE). From circulating
    code (pprp/awesome-attention-mechanism-in-cv, AttentionModule/DCANet/resnet_se_dca.py): t is the
    gates, as in the paper, not gates times means; the first link has no unused weights; the mix has
    no bias, which its layer norm would cancel.

    Args:
        channels: C, channels of the map.
        reduction: each link's hidden layer has C // reduction channels, at least 1.
        mode: ``direct`` or ``weighted``, see ``ConnectedSE``.
        depth: squeeze-and-excitations in the chain, at least 1.
    """

    def __init__(
        self, channels: int, *, reduction: int = 16, mode: str = "weighted", depth: int = 2
    ) -> None:
        super().__init__()
        self.links = nn.ModuleList(
            ConnectedSE(
                channels,
                reduction=reduction,
                mode=mode,
                previous_channels=channels if i else None,
            )
            for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        gates = None
        for link in self.links:
            x, gates = link(x, gates)
        return x
