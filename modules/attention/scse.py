"""Concurrent spatial and channel squeeze and excitation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, hidden_width, one_of
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck

_MODES = ("add", "max", "channel", "spatial")


@register(
    "scse",
    slot="attention",
    family="channel_spatial",
    name="Concurrent spatial and channel squeeze and excitation",
    year=2018,
    paper="arXiv:1803.02579",
    origin="github.com/ai-med/squeeze_and_excitation, MIT",
    choices={"reduction": (2, 4, 8, 16), "mode": _MODES},
    only_with={"reduction": ("mode", ("add", "max", "channel"))},
    same={"reduction": bottleneck()},
    aliases=(
        "cSE",
        "sSE",
        "csSE",
    ),
)
class SCSE(nn.Module):
    """Gates channels by the global means and positions by a linear map, and joins the two.

    c = x * sigmoid(W2 relu(W1 mean(x))), W1 to C // reduction; s = x * sigmoid(1x1 convolution to
    one map). y = c + s (``add``), their elementwise maximum (``max``), or one of them alone
    (``channel``, ``spatial``). All maps with bias. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/scSE/scSE.py): the ReLU between the two linear maps is there, as in the paper.
    """

    def __init__(self, channels: int, *, reduction: int = 2, mode: str = "add") -> None:
        super().__init__()
        self.mode = one_of("mode", mode, _MODES)
        if mode != "spatial":
            hidden = hidden_width(channels, reduction)
            self.squeeze = conv2d(channels, hidden, bias=True)
            self.excite = conv2d(hidden, channels, bias=True)
        if mode != "channel":
            self.position = conv2d(channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "spatial":
            return self._spatial(x)
        z = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        by_channel = x * self.excite(z).sigmoid()
        if self.mode == "channel":
            return by_channel
        join = torch.maximum if self.mode == "max" else torch.add
        return join(by_channel, self._spatial(x))

    def _spatial(self, x: Tensor) -> Tensor:
        return x * self.position(x).sigmoid()
