"""Ghost module of GhostNetV2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, resize_like
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.operator.ghost import Ghost

_REDUCTIONS = (2, 3, 4)


def _same(site: Site, setting: Setting) -> Setting:
    """One output channel has no cheap part, whatever the reduction."""
    return {"reduction": _REDUCTIONS[0]} if site.width_out == 1 else {}


@register(
    "ghost_v2",
    slot="operator",
    family="cheap_features",
    name="GhostNetV2 ghost module with decoupled fully connected attention",
    year=2022,
    paper="arXiv:2211.12905",
    choices={"reduction": _REDUCTIONS, "kernel_size": (1, 3), "attention_kernel_size": (3, 5, 7)},
    same=_same,
    aliases=("GhostNetV2", "GhostModuleV2", "DFCAttention"),
    origin="github.com/huawei-noah/Efficient-AI-Backbones, NOASSERTION",
)
class GhostV2(nn.Module):
    """Gates a ghost module by what lies along the rows and columns, seen at half resolution.

    y = ghost(x) resize(sigmoid(V(U(P(avgpool 2 x 2(x)))))): P = BN(conv k x k, Cin -> Cout, stride
    s), U = BN(depthwise 1 x t), V = BN(depthwise t x 1), t = ``attention_kernel_size``; the gates
    are repeated (nearest) up to the size of ghost(x). (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)). An odd last row or column is not pooled, as in the authors' code; a side of one
    pixel is kept.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        reduction: of the ghost module: Cout / reduction channels are convolved.
        kernel_size: k, taps per side of the ghost module's and the gates' first convolution, odd.
        attention_kernel_size: t, taps of the gates' filters along an axis, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        reduction: int = 2,
        kernel_size: int = 1,
        attention_kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.ghost = Ghost(
            in_channels, out_channels, stride=stride, reduction=reduction, kernel_size=kernel_size
        )
        taps = attention_kernel_size
        self.gate = nn.Sequential(
            ConvBN(in_channels, out_channels, kernel_size, stride=stride),
            ConvBN(out_channels, out_channels, (1, taps), groups=out_channels),
            ConvBN(out_channels, out_channels, (taps, 1), groups=out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ghost(x)
        window = [min(2, n) for n in x.shape[-2:]]
        gate = self.gate(F.avg_pool2d(x, window, 2)).sigmoid()
        return y * resize_like(gate, y, mode="nearest")
