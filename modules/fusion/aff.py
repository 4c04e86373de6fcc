"""Attentional feature fusion, in one step (AFF) and iterated (iAFF)."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import one_of, resize_like
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck
from plugnas.modules.attention.ms_cam import MultiScaleChannelLogits

_SCALES = {"paper": 1.0, "doubled": 2.0}


@register(
    "aff",
    slot="fusion",
    family="channel_spatial",
    name="Attentional feature fusion",
    year=2020,
    paper="arXiv:2009.14082",
    choices={"reduction": (2, 4, 8, 16), "form": tuple(_SCALES)},
    same={"reduction": bottleneck()},
    aliases=("AttentionalFeatureFusion",),
    origin="github.com/YimianDai/open-aff, NOASSERTION",
)
class AttentionalFusion(nn.Module):
    """Mixes two maps value by value, with shares that attention computes from their sum.

    M = sigmoid(L(x + y) + G(x + y)), the branches of MS-CAM; out = M x + (1 - M) y, or twice that
    with form="doubled", so that M = 1/2 gives the plain sum.
    x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W); y is resampled to the size of x.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/AFF/AFF.py), which doubles: the paper decides.
    """

    def __init__(self, channels: int, *, reduction: int = 4, form: str = "paper") -> None:
        super().__init__()
        self.scale = _SCALES[one_of("form", form, _SCALES)]
        self.logits = MultiScaleChannelLogits(channels, reduction=reduction)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        y = resize_like(y, x)
        share = self.logits(x + y).sigmoid()
        return self.scale * (share * x + (1 - share) * y)


@register(
    "iaff",
    slot="fusion",
    family="channel_spatial",
    name="Iterative attentional feature fusion",
    year=2020,
    paper="arXiv:2009.14082",
    choices={"reduction": (2, 4, 8, 16)},
    same={"reduction": bottleneck()},
    aliases=("IterativeAttentionalFeatureFusion",),
    origin="github.com/YimianDai/open-aff, NOASSERTION",
)
class IterativeAttentionalFusion(nn.Module):
    """Mixes two maps by attention whose own input is an attentional mix of them.

    M1 = sigmoid(L1(x + y) + G1(x + y)), z = M1 x + (1 - M1) y; M2 = sigmoid(L2(z) + G2(z)),
    out = M2 x + (1 - M2) y. x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/AFF/iAFF.py), whose second stage repeats the first global branch and leaves its
    own without use: in the paper the two attentions share nothing.
    """

    def __init__(self, channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        self.first = MultiScaleChannelLogits(channels, reduction=reduction)
        self.second = MultiScaleChannelLogits(channels, reduction=reduction)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        y = resize_like(y, x)
        share = self.first(x + y).sigmoid()
        share = self.second(share * x + (1 - share) * y).sigmoid()
        return share * x + (1 - share) * y
