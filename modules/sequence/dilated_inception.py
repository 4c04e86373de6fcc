"""Dilated inception and the gated temporal convolution of MTGNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


class DilatedInception(nn.Module):
    """Convolves past steps with several kernel lengths and stacks the results.

    One causal convolution with bias per kernel size, all with one dilation d: output t sees
    t - (k - 1) d, ..., t - d, t, and zeros before the first step. Cout is shared out evenly, the
    remainder to the first kernel; a kernel whose share is 0 is left out.
    (B, Cin, T) -> (B, Cout, T).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        kernel_sizes: k of each convolution, in steps.
        dilation: d, steps from one tap to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_sizes: tuple[int, ...] = (2, 3, 6, 7),
        dilation: int = 1,
    ) -> None:
        super().__init__()
        share = out_channels // len(kernel_sizes)
        first = out_channels - share * (len(kernel_sizes) - 1)
        widths = [first] + [share] * (len(kernel_sizes) - 1)
        self.branches = nn.ModuleList(
            nn.Conv1d(in_channels, width, k, dilation=dilation)
            for k, width in zip(kernel_sizes, widths, strict=True)
            if width
        )
        self.pads = [(k - 1) * dilation for k, w in zip(kernel_sizes, widths, strict=True) if w]

    def forward(self, x: Tensor) -> Tensor:
        outputs = [
            branch(F.pad(x, (pad, 0))) for branch, pad in zip(self.branches, self.pads, strict=True)
        ]
        return torch.cat(outputs, dim=1)


@register(
    "dilated_inception",
    slot="sequence",
    family="temporal_convolution",
    name="MTGNN gated temporal convolution",
    year=2020,
    paper="arXiv:2005.11650",
    choices={
        "dilation": (1, 2, 4),
        "kernel_sizes": ((2, 3, 6, 7), (2, 3, 5, 7), (3, 5, 7)),
    },
    aliases=(
        "MTGNN",
        "temporal_conv",
    ),
    origin="github.com/nnzhan/MTGNN, MIT",
)
class GatedTemporalConv(nn.Module):
    """Filters a sequence causally at several lengths and gates it by a second such filter.

    y = tanh(F x) sigmoid(G x), F and G dilated inceptions of their own. (B, C, T) -> the same.

    Departs from the paper, where T shrinks by (k_max - 1) d: zeros stand before the first step, so
    that T stays and what the paper computes is found at the last steps. The linear map over time
    that some code adds to restore T is left out: it fixes T and lets an output depend on later
    steps.
    """

    def __init__(
        self,
        channels: int,
        *,
        dilation: int = 1,
        kernel_sizes: tuple[int, ...] = (2, 3, 6, 7),
    ) -> None:
        super().__init__()
        self.content = DilatedInception(
            channels, channels, kernel_sizes=kernel_sizes, dilation=dilation
        )
        self.gate = DilatedInception(
            channels, channels, kernel_sizes=kernel_sizes, dilation=dilation
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.content(x).tanh() * self.gate(x).sigmoid()
