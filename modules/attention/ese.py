"""Effective Squeeze-Excitation of VoVNetV2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import one_of
from plugnas.modules._registry import register

_GATES = ("hard_sigmoid", "sigmoid")


@register(
    "ese",
    slot="attention",
    family="channel",
    name="Effective Squeeze-Excitation",
    year=2019,
    paper="arXiv:1911.06667",
    choices={"gate": _GATES},
    aliases=("EffectiveSE", "EffectiveSqueezeExcite"),
    origin="github.com/youngwanLEE/vovnet-detectron2, CC-BY-NC-4.0",
)
class EffectiveSqueezeExcitation(nn.Module):
    """Gates each channel by one linear map of all channel means, with no bottleneck.

    s = gate(W z), z the mean of x over H, W, W: C -> C with bias; y = s x.
    (B, C, H, W) -> the same. ``gate``: hard sigmoid min(max(a + 3, 0), 6) / 6, or sigmoid.

    The paper only writes sigma for the gate; hard sigmoid, the default, is what the authors'
    code, timm and PaddleDetection run.
    """

    def __init__(self, channels: int, *, gate: str = "hard_sigmoid") -> None:
        super().__init__()
        self.gate = one_of("gate", gate, _GATES)
        self.map = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = self.map(x.mean((2, 3), keepdim=True))  # (B, C, 1, 1)
        return x * (F.hardsigmoid(z) if self.gate == "hard_sigmoid" else z.sigmoid())
