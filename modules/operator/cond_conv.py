"""CondConv."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register
from plugnas.modules.operator.dynamic_conv import MixedKernels


@register(
    "cond_conv",
    slot="operator",
    family="dynamic",
    name="CondConv: Conditionally Parameterized Convolutions for Efficient Inference",
    year=2019,
    paper="arXiv:1904.04971",
    choices={"experts": (4, 8), "kernel_size": (1, 3, 5)},
    export={"onnx": "the exporter needs a fixed number of groups, and here it is the batch size"},
    aliases=("CondConv2D",),
    origin="github.com/tensorflow/tpu, Apache-2.0",
)
class CondConv(nn.Module):
    """Convolves each sample with a sum of E kernels, each switched by its own sigmoid.

    r = sigmoid(W mean(x) + b) in (0, 1)^E, not normalised; y = conv(x, sum_e r_e W_e) = sum_e r_e
    (W_e * x), with sum_e r_e b_e added with ``bias``. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)). ``dropout`` acts on the means in training.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/conv/CondConv.py): strides are right, every expert starts as an ordinary kernel, and the
    routing has a bias.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        experts: E, kernels that are summed.
        kernel_size: k, taps per side, odd.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
        bias: whether every expert has a bias.
        dropout: probability with which a mean is dropped before the routing, in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        experts: int = 8,
        kernel_size: int = 3,
        groups: int = 1,
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.routing = nn.Linear(in_channels, experts)
        self.kernels = MixedKernels(
            in_channels, out_channels, kernel_size, stride=stride, experts=experts, groups=groups,
            bias=bias,
        )  # fmt: skip

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs, whatever the input.

        The routing starts at 1 / 2 for every expert, and the experts around the kernel of ``conv``,
        with differences that cancel.

        Raises:
            AdoptError: the experts' kernels do not hold it.
        """
        experts = self.routing.out_features
        self.kernels.adopt(conv, share=2 / experts, spread=True)
        self.routing.weight.zero_()
        self.routing.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        means = F.dropout(x.mean((2, 3)), self.dropout, training=self.training)
        return self.kernels(x, self.routing(means).sigmoid())
