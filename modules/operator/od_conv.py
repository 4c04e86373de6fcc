"""Omni-dimensional dynamic convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d, first_alike, hidden_width
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.operator.dynamic_conv import MixedKernels

_REDUCTIONS = (4, 16)
_NARROWEST = 16


def _same(site: Site, setting: Setting) -> Setting:
    def width(reduction: int) -> int:
        return hidden_width(site.channels, reduction, _NARROWEST)

    return {"reduction": first_alike(_REDUCTIONS, setting["reduction"], width)}


@register(
    "od_conv",
    slot="operator",
    family="dynamic",
    name="ODConv: Omni-Dimensional Dynamic Convolution",
    year=2022,
    paper="ICLR 2022 (Li, Zhou, Yao)",
    choices={"experts": (1, 4), "reduction": _REDUCTIONS, "kernel_size": (1, 3, 5)},
    same=_same,
    aliases=("ODConv", "ODConv2d", "OmniDimensionalDynamicConv"),
    origin="github.com/OSVAI/ODConv, Apache-2.0",
    export={"onnx": "the exporter needs a fixed number of groups, and here it is the batch size"},
)
class OmniDimensionalConvolution(nn.Module):
    """Convolves each sample with its own kernel, gated along all four dimensions of a kernel.

    h = relu(BN(W mean(x))), max(16, Cin // reduction) values; from h, by one linear map each: i =
    sigmoid (Cin input channels), o = sigmoid (Cout filters), t = sigmoid (k^2 taps; none for k = 1)
    and a = softmax (E kernels; none for E = 1). y = o conv(i x, t sum_e a_e W_e). (B, Cin, H, W) ->
    (B, Cout, ceil(H / s), ceil(W / s)).

    ``temperature`` divides every logit and is a plain attribute: the authors lower it from 30 to 1
    in the first epochs, and a training loop may. The norm of h stands in the authors' code and not
    in the paper's formula.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        experts: E, kernels that are mixed.
        reduction: h has Cin // reduction values, at least 16.
        kernel_size: k, taps per side, odd.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
        temperature: by which every logit is divided, above 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        experts: int = 4,
        reduction: int = 16,
        kernel_size: int = 3,
        groups: int = 1,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        hidden = hidden_width(in_channels, reduction, _NARROWEST)
        self.temperature = temperature
        self.squeeze = nn.Sequential(
            conv2d(in_channels, hidden), BatchNorm2d(hidden), nn.ReLU(inplace=True)
        )
        self.inputs = nn.Linear(hidden, in_channels)
        self.filters = nn.Linear(hidden, out_channels)
        self.taps = nn.Linear(hidden, kernel_size**2) if kernel_size > 1 else None
        self.shares = nn.Linear(hidden, experts) if experts > 1 else None
        self.kernels = MixedKernels(
            in_channels, out_channels, kernel_size, stride=stride, experts=experts, groups=groups,
            bias=False,
        )  # fmt: skip

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Every sigmoid starts at 1 / 2 whatever the content, and every kernel as conv's, doubled for
        each sigmoid; the softmax over kernels, which sums to 1, starts as it is.

        Raises:
            AdoptError: the kernels do not hold it.
        """
        heads = [head for head in (self.inputs, self.filters, self.taps) if head is not None]
        self.kernels.adopt(conv, share=2.0 ** len(heads), spread=False)
        for head in heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.squeeze(x.mean((2, 3), keepdim=True)).flatten(1)
        taps = None if self.taps is None else self._logits(self.taps, h).sigmoid()
        if self.shares is None:
            mixture = h.new_ones(h.shape[0], 1)
        else:
            mixture = self._logits(self.shares, h).softmax(1)
        gated = x * self._logits(self.inputs, h).sigmoid()[..., None, None]
        y = self.kernels(gated, mixture, taps)
        return y * self._logits(self.filters, h).sigmoid()[..., None, None]

    def _logits(self, head: nn.Linear, h: Tensor) -> Tensor:
        logits: Tensor = head(h)
        return logits / self.temperature
