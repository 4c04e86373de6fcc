"""Context gating."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d
from plugnas.modules._registry import register


@register(
    "context_gating",
    slot="pooling",
    family="channel",
    name="Context gating",
    year=2017,
    paper="arXiv:1706.06905",
    choices={"batch_norm": (False, True)},
    aliases=("GatingContext",),
    origin="github.com/antoine77340/LOUPE, Apache-2.0",
)
class ContextGating(nn.Module):
    """Gates each value of the pooled vector by a linear map of the whole vector.

    z = mean of x over H, W; y = z sigmoid(BN(W z)), or z sigmoid(W z + b) without batch norm. W is
    C x C and starts as N(0, 1 / C), as does b.
    (B, C, H, W) -> (B, C); a vector (B, C), which is what the paper gates, may be given as it is.
    """

    def __init__(self, channels: int, *, batch_norm: bool = True) -> None:
        super().__init__()
        self.out_features = channels
        linear = conv2d(channels, channels, bias=not batch_norm)  # on a 1 x 1 map
        for parameter in linear.parameters():
            nn.init.normal_(parameter, std=channels**-0.5)
        self.gate = nn.Sequential(linear, *([BatchNorm2d(channels)] if batch_norm else []))

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3)) if x.dim() == 4 else x
        return z * self.gate(z[:, :, None, None]).flatten(1).sigmoid()
