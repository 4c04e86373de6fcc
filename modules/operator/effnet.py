"""EffNet block."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, conv2d
from plugnas.modules._registry import register


@register(
    "effnet",
    slot="operator",
    family="separable",
    name="EffNet block",
    year=2018,
    paper="arXiv:1801.06434",
    choices={"expansion": (1, 2)},
    no_origin="no code of the authors was found in November 2026; "
    "repositories of that name are by others",
)
class EffNetBlock(nn.Module):
    """Filters rows, then columns, and halves height and width one at a time in between.

    A(.) = BN(leaky relu 0.3(.)) after every convolution; u = A(1x1(x; Cin -> m)); u = A(depthwise
    1 x 3); u = max pool s x 1; u = A(depthwise 3 x 1); y = conv 1 x s with stride (1, s), m ->
    Cout; m = expansion x Cin. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the paper: stride 1 (neither pool nor stride), odd sizes (the pool cuts its last
    cell, the last column is padded with zeros), and the A at the end is left to the host.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        expansion: m / Cin, the width inside.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, expansion: int = 1
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion

        def filtered(kernel: tuple[int, int], source: int, groups: int) -> nn.Sequential:
            conv = conv2d(source, hidden, kernel, groups=groups)
            return nn.Sequential(conv, nn.LeakyReLU(0.3), BatchNorm2d(hidden))

        self.stride = stride
        self.layers = nn.Sequential(
            filtered((1, 1), in_channels, 1),
            filtered((1, 3), hidden, hidden),
            nn.MaxPool2d((stride, 1), ceil_mode=True) if stride > 1 else nn.Identity(),
            filtered((3, 1), hidden, hidden),
        )
        self.project = nn.Conv2d(hidden, out_channels, (1, stride), (1, stride), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        u = self.layers(x)
        return self.project(F.pad(u, (0, -u.shape[-1] % self.stride)))
