"""Downsampling by patches, as ConvNeXt and similar networks do between two stages."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import pad_to_multiple


class PadToMultiple(nn.Module):
    """Zeros at the bottom and right until both sides are multiples of ``multiple``."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        return pad_to_multiple(x, self.multiple)


def patch_conv(
    in_channels: int, out_channels: int, stride: int, *, bias: bool = False
) -> list[nn.Module]:
    """Layers of a convolution over s x s patches that do not overlap; a 1x1 one for stride 1.

    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)): sides that s does not divide are padded.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, side of a patch in pixels.
        bias: whether the convolution has one.
    """
    conv = nn.Conv2d(in_channels, out_channels, stride, stride, bias=bias)
    return [conv] if stride == 1 else [PadToMultiple(stride), conv]
