"""Large kernel attention, and its separable form."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d, one_of
from plugnas.modules._registry import register


@register(
    "lka",
    slot="attention",
    family="large_kernel",
    name="Large kernel attention of VAN",
    year=2022,
    paper="arXiv:2202.09741, arXiv:2309.01439",
    choices={"form": ("lka", "lska"), "kernel_size": (7, 11, 21, 35)},
    aliases=("LKA", "LSKA", "LargeKernelAttention", "LargeSeparableKernelAttention", "VAN"),
    origin="github.com/Visual-Attention-Network/VAN-Classification, Apache-2.0",
)
class LargeKernelAttention(nn.Module):
    """Multiplies the map by a large-kernel convolution of itself, split into cheap parts.

    y = x * conv1x1(D(L(x))). L is a depthwise convolution of 2 d - 1 taps per side; D is depthwise
    with k / d (rounded down) taps per side and dilation d; together they see about k x k pixels. d
    is 3 from k = 21 on, else 2. Every layer has a bias, and no sigmoid limits the product to
    [0, 1]. (B, C, H, W) -> the same. ``form="lska"`` writes L and D as a row of taps followed by a
    column of taps each. The papers put it between two 1x1 convolutions with a GELU; these belong to
    their block and not to the module.

    LSKA calls the default kernel 23 (what its taps span), VAN calls it 21.
    """

    def __init__(self, channels: int, *, form: str = "lka", kernel_size: int = 21) -> None:
        super().__init__()
        one_of("form", form, ("lka", "lska"))
        dilation = 3 if kernel_size >= 21 else 2
        near, far = 2 * dilation - 1, kernel_size // dilation
        layers = [*_depthwise(channels, near, 1, form), *_depthwise(channels, far, dilation, form)]
        self.context = nn.Sequential(*layers, nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.context(x)


def _depthwise(channels: int, taps: int, dilation: int, form: str) -> list[nn.Conv2d]:
    """One square of taps, or a row of taps and then a column."""
    kernels = [(taps, taps)] if form == "lka" else [(1, taps), (taps, 1)]
    return [
        conv2d(channels, channels, kernel, dilation=dilation, groups=channels, bias=True)
        for kernel in kernels
    ]
