"""Recursive gated convolution of HorNet."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


@register(
    "gn_conv",
    slot="operator",
    family="gating",
    name="HorNet recursive gated convolution (gnConv)",
    year=2022,
    paper="arXiv:2207.14284",
    choices={"order": (2, 3, 4, 5), "kernel_size": (3, 7)},
    aliases=("gnConv", "HorNet", "RecursiveGatedConv"),
    origin="github.com/raoyongming/HorNet, MIT",
)
class RecursiveGatedConvolution(nn.Module):
    """Multiplies a map again and again by depthwise filtered maps, in ever wider channels.

    With n = ``order`` and widths c_k = max(1, Cin // 2^(n - 1 - k)), k = 0 ... n - 1, a 1x1
    convolution makes p_0 (c_0 channels) and q_0 ... q_{n - 1} (c_k channels); f is one depthwise
    k x k convolution over all q. p_1 = f(q_0) p_0 / a; p_{k + 1} = f(q_k) g_k(p_k) / a, g_k a 1x1
    convolution c_{k - 1} -> c_k; y = 1x1(p_n; Cin -> Cout). a is ``damping``; all convolutions have
    biases. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)); a stride keeps every s-th place
    of what stride 1 computes.

    The paper's form with a global filter in the place of f is left out.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        order: n, products, at least 1.
        kernel_size: k, taps per side of the depthwise filter, odd.
        damping: a, above 0, by which every product is divided.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        order: int = 5,
        kernel_size: int = 7,
        damping: float = 3.0,
    ) -> None:
        super().__init__()
        self.damping = damping
        self.widths = [max(1, in_channels // 2**k) for k in reversed(range(order))]
        total = sum(self.widths)
        self.first = conv2d(in_channels, self.widths[0], stride=stride, bias=True)
        self.gates = nn.Sequential(
            conv2d(in_channels, total, bias=True),
            conv2d(total, total, kernel_size, stride=stride, groups=total, bias=True),
        )
        self.widen = nn.ModuleList(
            conv2d(narrow, wide, bias=True)
            for narrow, wide in zip(self.widths, self.widths[1:], strict=False)
        )
        self.project = conv2d(in_channels, out_channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        gates = (self.gates(x) / self.damping).split(self.widths, dim=1)
        p = self.first(x) * gates[0]
        for widen, gate in zip(self.widen, gates[1:], strict=True):
            p = widen(p) * gate
        return self.project(p)
