"""Dynamic convolution, and the per-sample kernels that it shares with CondConv."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import bias_of, check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import common_divisor, hidden_width
from plugnas.modules._registry import register


class MixedKernels(nn.Module):
    """E convolution kernels, mixed for each sample by given weights (B, E) into one kernel.

    ``taps`` (B, k^2), where given, scales the k^2 places of each sample's kernel. Run as a single
    convolution with B x groups groups over the batch folded into the channels.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        kernel_size: k, taps per side, odd.
        stride: s, at least 1, along both axes.
        experts: E, kernels that are mixed.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
        bias: whether every kernel has a bias, mixed in the same way.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        experts: int,
        groups: int,
        bias: bool,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.groups = groups = common_divisor(groups, in_channels, out_channels)
        shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(experts * out_channels, *shape[1:]))
        bound = 1 / math.sqrt(math.prod(shape[1:]))  # each expert starts as torch's convolution
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = nn.Parameter(torch.zeros(experts, out_channels)) if bias else None

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d, *, share: float, spread: bool) -> None:
        """Give every kernel ``share`` of conv's; ``spread`` keeps their differences on top of it.

        Raises:
            AdoptError: the kernels do not hold it.
        """
        has_bias = self.bias is not None
        check_plain(conv, self.in_channels, self.out_channels, self.stride, bias=has_bias)
        size, experts = self.weight.shape[2:], self.weight.shape[0] // self.out_channels
        kernel = DenseKernel.of(conv).grouped(tuple(size), (1, 1), self.groups)
        own = self.weight.unflatten(0, (experts, -1))
        around = own - own.mean(0) if spread else torch.zeros_like(own)
        own.copy_(around + share * kernel.to(own))
        if self.bias is not None:
            self.bias.copy_(share * bias_of(conv))

    def forward(self, x: Tensor, mixture: Tensor, taps: Tensor | None = None) -> Tensor:
        experts, shape = mixture.shape[1], self.weight.shape[1:]
        kernels = mixture @ self.weight.reshape(experts, -1)  # (B, Cout Cin / groups k^2)
        if taps is not None:
            kernels = (kernels.unflatten(1, (-1, taps.shape[1])) * taps[:, None]).flatten(1)
        if torch.onnx.is_in_onnx_export() or x.shape[0] == 0:  # no convolution has 0 groups
            return self._by_patches(x, kernels.unflatten(1, (-1, *shape)), mixture)
        bias = None if self.bias is None else (mixture @ self.bias).flatten()
        y = F.conv2d(
            x.reshape(1, -1, *x.shape[-2:]),
            kernels.reshape(-1, *shape),
            bias,
            self.stride,
            shape[-1] // 2,
            groups=x.shape[0] * self.groups,
        )
        return y[0].unflatten(0, (-1, self.weight.shape[0] // experts))

    def _by_patches(self, x: Tensor, kernels: Tensor, mixture: Tensor) -> Tensor:
        """The same as a product with unfolded patches: ONNX fixes the number of groups."""
        size = [-(-n // self.stride) for n in x.shape[-2:]]
        k = kernels.shape[-1]
        patches = F.unfold(x, k, padding=k // 2, stride=self.stride)
        patches = patches.unflatten(1, (self.groups, -1))  # (B, G, Cin / G k^2, N)
        y = kernels.flatten(2).unflatten(1, (self.groups, -1)) @ patches
        y = y.flatten(1, 2).unflatten(2, size)
        return y if self.bias is None else y + (mixture @ self.bias)[..., None, None]


@register(
    "dynamic_conv",
    slot="operator",
    family="dynamic",
    name="Dynamic Convolution: Attention over Convolution Kernels",
    year=2019,
    paper="arXiv:1912.03458",
    choices={"experts": (2, 4, 8), "reduction": (4, 8), "kernel_size": (1, 3, 5)},
    export={"onnx": "the exporter needs a fixed number of groups, and here it is the batch size"},
    aliases=(
        "Dynamic_conv2d",
        "DyConv",
    ),
    no_origin="no code of the authors was found in November 2026; "
    "their later liyunsheng13/dcd holds another form",
)
class DynamicConvolution(nn.Module):
    """Convolves each sample with its own mixture of E kernels, weighted by a softmax.

    pi = softmax(W2 relu(W1 mean(x)) / tau), W1 Cin -> max(1, Cin // reduction), W2 -> E, with bias;
    y = conv(x, sum_e pi_e W_e) (+ sum_e pi_e b_e with ``bias``). (B, Cin, H, W) -> (B, Cout,
    ceil(H / s), ceil(W / s)).

    ``temperature`` (tau) is a plain attribute: the paper anneals it from 30 to 1 in the first
    epochs, and a training loop may. Departs from circulating code
    (xmu-xiaoma666/External-Attention-pytorch, model/conv/DynamicConv.py): strides and groups are
    right, linear layers have biases, expert biases start at 0.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        experts: E, kernels that are mixed.
        reduction: the weights' hidden layer has Cin // reduction values, at least 1.
        kernel_size: k, taps per side, odd.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
        bias: whether every kernel has a bias, mixed in the same way.
        temperature: tau above 0, by which the logits are divided.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        experts: int = 4,
        reduction: int = 4,
        kernel_size: int = 3,
        groups: int = 1,
        bias: bool = False,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        hidden = hidden_width(in_channels, reduction)
        self.temperature = temperature
        self.squeeze = nn.Linear(in_channels, hidden)
        self.excite = nn.Linear(hidden, experts)
        self.kernels = MixedKernels(
            in_channels, out_channels, kernel_size, stride=stride, experts=experts, groups=groups,
            bias=bias,
        )  # fmt: skip

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs, whatever the attention.

        Every kernel starts as conv's, and the attention, which sums to 1, as it is.

        Raises:
            AdoptError: the kernels do not hold it.
        """
        self.kernels.adopt(conv, share=1.0, spread=False)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.excite(F.relu(self.squeeze(x.mean((2, 3)))))
        return self.kernels(x, (logits / self.temperature).softmax(1))
