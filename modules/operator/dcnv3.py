"""DCNv3, the operator of InternImage."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import bias_of, pointwise_matrix
from plugnas.modules._parts import common_divisor
from plugnas.modules._registry import register
from plugnas.modules.operator._sampling import coordinates, deformed_taps, sample


@register(
    "dcnv3",
    slot="operator",
    family="deformable",
    name="InternImage DCNv3",
    year=2022,
    paper="arXiv:2211.05778",
    choices={
        "groups": (1, 2, 4, 8),
        "kernel_size": (3, 5),
        "center_scale": (False, True),
    },
    aliases=("InternImage",),
    origin="github.com/OpenGVLab/InternImage, MIT",
)
class DCNv3(nn.Module):
    """Each group of channels gathers a softmax-weighted mean of points that it places itself.

    v = value(x); f = gelu(LN(depthwise 3 x 3(x))); per group g, offsets o and weights m = softmax
    over the k^2 points, both linear in f and starting at 0; y_g(p) = sum_k m_gk(p) v_g(s p +
    z (d p_k + o_gk(p))), z = offset_scale, zeros outside; out = project(y). With ``center_scale``,
    y becomes (1 - a) y + a v(s p), a = sigmoid(linear(f)) per group. The weights of a point do not
    depend on the channel: all mixing is in value and project.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the official operator: strides (the depthwise layer takes the stride), Cout other
    than Cin (project changes the width), points row by row with offsets (row, column), groups that
    fall to a divisor of the width.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        groups: groups of channels with points of their own, a limit: the largest divisor of Cin is
            taken.
        kernel_size: k: there are k^2 points; odd.
        center_scale: whether the middle pixel is mixed in.
        offset_scale: z, by which the points' distances are multiplied.
        dilation: d, pixels from one point to the next before they move.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        groups: int = 4,
        kernel_size: int = 3,
        center_scale: bool = False,
        offset_scale: float = 1.0,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.stride, self.kernel_size = stride, kernel_size
        self.dilation, self.offset_scale = dilation, offset_scale
        self.groups = common_divisor(groups, in_channels)
        points = self.groups * kernel_size**2
        self.value = nn.Conv2d(in_channels, in_channels, 1)
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels)
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)
        self.offset = nn.Conv2d(in_channels, 2 * points, 1)
        self.mask = nn.Conv2d(in_channels, points, 1)
        self.center = nn.Conv2d(in_channels, self.groups, 1) if center_scale else None
        self.project = nn.Conv2d(in_channels, out_channels, 1)
        for layer in (self.offset, self.mask, self.center):
            for parameter in () if layer is None else layer.parameters():
                nn.init.zeros_(parameter)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1: the same outputs.

        Every point starts at the pixel itself, so that its weights do not matter yet.

        Raises:
            AdoptError: another convolution.
        """
        widths = (self.value.in_channels, self.project.out_channels, self.stride)
        matrix = pointwise_matrix(conv, *widths, bias=True)
        self.project.weight.copy_(matrix[:, :, None, None])
        self.value.weight.copy_(torch.eye(self.value.in_channels)[:, :, None, None])
        line = torch.arange(self.kernel_size) - self.kernel_size // 2
        places = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten()
        self.offset.weight.zero_()
        for layer, bias in (
            (self.project, bias_of(conv)),
            (self.value, torch.zeros(self.value.out_channels)),
            (self.offset, (-self.dilation * places).repeat(self.groups)),
        ):
            if layer.bias is not None:
                layer.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        value = self.value(x)
        f = self.norm(self.depthwise(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        f = F.gelu(f)
        points = (self.groups, self.kernel_size**2)
        offsets = self.offset(f).unflatten(1, (*points, 2)).flatten(0, 1)  # (BG, k^2, 2, H', W')
        mask = self.mask(f).unflatten(1, points).softmax(2).flatten(0, 1)
        rows, columns = deformed_taps(
            coordinates(offsets) * self.offset_scale,
            self.kernel_size,
            stride=self.stride,
            spacing=self.offset_scale * self.dilation,
        )
        samples = sample(value.unflatten(1, (self.groups, -1)).flatten(0, 1), rows, columns)
        y = torch.einsum("bckhw,bkhw->bchw", samples, mask.to(samples.dtype))
        y = y.unflatten(0, (-1, self.groups))  # (B, G, C / G, H', W')
        if self.center is not None:
            a = self.center(f).sigmoid()[:, :, None]
            here = value[:, :, :: self.stride, :: self.stride].unflatten(1, (self.groups, -1))
            y = y + a * (here - y)
        return self.project(y.flatten(1, 2))
