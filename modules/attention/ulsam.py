"""Ultra-lightweight subspace attention (ULSAM)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, common_divisor
from plugnas.modules._registry import register
from plugnas.modules._same import channel_groups


@register(
    "ulsam",
    slot="attention",
    family="spatial",
    name="Ultra-lightweight subspace attention",
    year=2020,
    paper="arXiv:2006.15102",
    origin="github.com/Nandan91/ULSAM, NOASSERTION",
    choices={"groups": (1, 2, 4, 8, 16)},
    same={"groups": channel_groups()},
)
class ULSAM(nn.Module):
    """Gives each group of channels one attention map over all positions, with a residual.

    Per group F of C / g channels: A = softmax over the positions of PW(maxpool3x3(DW(F))), with DW
    one factor per channel and PW a 1x1 convolution to one map, each with batch norm and ReLU; the
    group becomes A F + F. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/ULSAM.py): DW feeds the pool, as in the paper (there its result was lost);
    all groups run as one grouped convolution; where g does not divide C, the largest divisor below
    it is taken. The batch norms and ReLUs are those of that code; the paper names none.
    """

    def __init__(self, channels: int, *, groups: int = 4) -> None:
        super().__init__()
        self.groups = common_divisor(groups, channels)
        self.depthwise = ConvBN(channels, channels, groups=channels, activation=nn.ReLU())
        self.pointwise = ConvBN(channels, self.groups, groups=self.groups, activation=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool2d(self.depthwise(x), 3, stride=1, padding=1)
        maps = self.pointwise(pooled)  # (B, g, H, W)
        attention = maps.flatten(2).softmax(2).unflatten(2, x.shape[2:])
        return x + x * attention.repeat_interleave(x.shape[1] // self.groups, dim=1)
