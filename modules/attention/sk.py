"""Selective kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, common_divisor, hidden_width, sum_of_products
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck, channel_groups


@register(
    "sk",
    slot="attention",
    family="dynamic",
    name="Selective kernel",
    year=2019,
    paper="arXiv:1903.06586",
    origin="github.com/implus/SKNet, NOASSERTION",
    choices={
        "kernel_sizes": ((3, 5), (1, 3, 5, 7)),
        "reduction": (8, 16),
        "groups": (1, 32),
        "dilated": (True, False),
    },
    same={"reduction": bottleneck(minimum=32), "groups": channel_groups()},
    aliases=(
        "SKNet",
        "SKConv",
        "SelectiveKernel",
    ),
)
class SelectiveKernel(nn.Module):
    """Convolves with several kernel sizes and mixes the results by a softmax per channel.

    U_i = relu(BN(k_i x k_i conv of x)), C -> C in groups; z = relu(BN(W s)) of the mean s of
    sum_i U_i, with max(C / reduction, ``minimum``) values; a = softmax over i of A_i z;
    y = sum_i a_i U_i. (B, C, H, W) -> the same. ``dilated``: a kernel of k > 3 is a 3x3 with
    dilation (k - 1) / 2, as in the paper.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/SKAttention.py): z has the paper's norm and ReLU, A no bias; ``groups`` is a
    limit, of which the largest divisor of the width is taken.

    Args:
        channels: C, channels of the map.
        kernel_sizes: k_i, taps per side of each branch, odd.
        reduction: z has C // reduction values, but at least ``minimum``.
        groups: groups of every branch, a limit: the largest divisor of C is taken.
        dilated: whether kernels above 3 are dilated 3x3 ones.
        minimum: the least width of z.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_sizes: tuple[int, ...] = (3, 5),
        reduction: int = 16,
        groups: int = 32,
        dilated: bool = True,
        minimum: int = 32,
    ) -> None:
        super().__init__()
        groups = common_divisor(groups, channels)
        hidden = hidden_width(channels, reduction, minimum)
        self.branches = nn.ModuleList()
        for k in kernel_sizes:
            size, dilation = (3, (k - 1) // 2) if dilated and k > 3 else (k, 1)
            self.branches.append(
                ConvBN(
                    channels, channels, size,
                    dilation=dilation, groups=groups, activation=nn.ReLU(),
                )
            )  # fmt: skip
        self.squeeze = ConvBN(channels, hidden, 1, activation=nn.ReLU())
        self.select = nn.Linear(hidden, len(kernel_sizes) * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        s = torch.stack([u.mean((2, 3), keepdim=True) for u in maps]).sum(0)
        z = self.squeeze(s).flatten(1)
        weights = self.select(z).unflatten(1, (len(maps), -1)).softmax(1)[..., None, None]
        return sum_of_products(weights.unbind(1), maps)
