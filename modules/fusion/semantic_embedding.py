"""Semantic embedding branch of ExFuse."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d, resize_like
from plugnas.modules._registry import register


@register(
    "semantic_embedding",
    slot="fusion",
    family="gating",
    name="ExFuse semantic embedding branch",
    year=2018,
    paper="arXiv:1804.03821",
    choices={"project_low": (False, True)},
    aliases=(
        "SematicEmbbedBlock",
        "ExFuse",
        "SEB",
    ),
    no_origin="no code of the authors was found in November 2026",
)
class SemanticEmbedding(nn.Module):
    """Multiplies the fine map by an upsampled convolution of the coarse one.

    out = x' resize(conv3x3(y)), elementwise, with x' = x as in the paper, or a 1x1 convolution of
    x with project_low.
    x (B, C, H, W), y (B, Cy, h, w) -> (B, C, H, W); Cy is y_channels (C if None).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/SematicEmbbedBlock.py): any ratio of sizes instead of 2, and bilinear
    resampling without aligned corners. Further levels multiply in by applying the module again.
    """

    def __init__(
        self, channels: int, *, project_low: bool = False, y_channels: int | None = None
    ) -> None:
        super().__init__()
        deep = channels if y_channels is None else y_channels
        self.gate = conv2d(deep, channels, 3, bias=True)
        self.low = conv2d(channels, channels, bias=True) if project_low else nn.Identity()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.low(x) * resize_like(self.gate(y), x)
