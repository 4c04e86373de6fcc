"""Efficient local attention."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import GroupNorm, common_divisor, conv2d, one_of
from plugnas.modules._registry import register

# form -> taps, channels that one group of the convolution mixes, groups of the norm.
_FORMS = {"tiny": (5, 1, 32), "base": (7, 1, 16), "small": (5, 8, 16), "large": (7, 8, 16)}


@register(
    "ela",
    slot="attention",
    family="channel_spatial",
    name="Efficient local attention",
    year=2024,
    paper="arXiv:2403.01123",
    choices={"form": tuple(_FORMS)},
    aliases=("ELA", "EfficientLocalizationAttention", "EfficientLocalAttn"),
    origin="github.com/Xuwei86/ELA_Code, NOASSERTION",
)
class EfficientLocalAttention(nn.Module):
    """Gates each pixel by a gate of its row and one of its column, from short 1-D convolutions.

    p_h = mean of x over W (length H), p_w = mean over H (length W); a_h = sigmoid(GN_h(F_h p_h)),
    a_w = sigmoid(GN_w(F_w p_w)), where F is a 1-D convolution in groups without bias and GN group
    norm; y(i, j) = x(i, j) a_h(i) a_w(j). No layer narrows the channels. (B, C, H, W) -> the same.

    ``form`` is the paper's version: ``tiny`` 5 taps, depthwise, 32 groups of the norm; ``base`` 7,
    depthwise, 16; ``small`` 5, 8 channels a group, 16; ``large`` 7, 8 channels a group, 16. Group
    counts are limits, of which the largest divisor of the width is taken.

    The paper's listing and the authors' code (Xuwei86/ELA_Code, MbV2/models/mbv2_ela72.py) use one
    convolution and one norm for both directions; the formula has F_h and F_w, as here. timm's has a
    SiLU between norm and sigmoid, and one group in the norm.
    """

    def __init__(self, channels: int, *, form: str = "base") -> None:
        super().__init__()
        taps, mixed, norm_groups = _FORMS[one_of("form", form, _FORMS)]
        groups = common_divisor(max(1, channels // mixed), channels)
        norm_groups = common_divisor(norm_groups, channels)
        self.rows = conv2d(channels, channels, (taps, 1), groups=groups)
        self.row_norm = GroupNorm(norm_groups, channels)
        self.columns = conv2d(channels, channels, (1, taps), groups=groups)
        self.column_norm = GroupNorm(norm_groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.row_norm(self.rows(x.mean(3, keepdim=True))).sigmoid()  # (B, C, H, 1)
        columns = self.column_norm(self.columns(x.mean(2, keepdim=True))).sigmoid()  # (B, C, 1, W)
        return x * rows * columns
