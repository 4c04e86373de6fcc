"""Graph convolution over the positions of a map."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, conv2d, hidden_width, one_of
from plugnas.modules._registry import register

_MODES = ("grid4", "grid8", "learned")


@register(
    "graph_conv",
    slot="attention",
    family="graph",
    name="Graph convolution on the grid or a learned graph",
    year=2016,
    paper="arXiv:1609.02907",
    origin="github.com/tkipf/gcn, MIT",
    choices={
        "mode": _MODES,
        "depth": (1, 2),
        "reduction": (4, 8),
    },
    only_with={"reduction": ("mode", ("learned",))},
    aliases=(
        "GCN",
        "GraphConvolution",
    ),
)
class GraphConv(nn.Module):
    """Spreads features along a graph whose nodes are the positions, with a residual.

    A layer is S X W, ``depth`` of them with ReLU between; y = x + BN(last), the batch norm starting
    at 0. W is a 1x1 convolution C -> C. S is fixed, D^(-1/2) (A + I) D^(-1/2) with A joining the 4
    or 8 neighbours of the grid and D the row sums of A + I; or learned from x,
    S_pq = softmax over q of theta_p . phi_q / sqrt(d) with d = C // reduction (``learned`` only).
    (B, C, H, W) -> the same.

    Departs from the paper: residual and batch norm, so that the layer plugs into any network; the
    row sums are found from H and W in the forward pass.

    Args:
        channels: C, channels of the map.
        mode: ``grid4`` or ``grid8`` neighbours, or ``learned``.
        depth: layers, at least 1.
        reduction: theta and phi have d = C // reduction channels, at least 1; for ``learned``
            alone.
    """

    def __init__(
        self, channels: int, *, mode: str = "grid4", depth: int = 2, reduction: int = 4
    ) -> None:
        super().__init__()
        self.weights = nn.ModuleList(conv2d(channels, channels) for _ in range(depth))
        self.norm = BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)
        self.learned = one_of("mode", mode, _MODES) == "learned"
        if self.learned:
            width = hidden_width(channels, reduction)
            self.theta = conv2d(channels, width)
            self.phi = conv2d(channels, width)
        else:
            side = 1.0 if mode == "grid8" else 0.0
            cross = torch.tensor([[side, 1.0, side], [1.0, 1.0, 1.0], [side, 1.0, side]])
            self.register_buffer("neighbours", cross[None, None])

    def forward(self, x: Tensor) -> Tensor:
        spread = self._learned_graph(x) if self.learned else self._grid(x)
        y = x
        for i, weight in enumerate(self.weights):
            y = spread(weight(F.relu(y) if i else y))
        return x + self.norm(y)

    def _grid(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        kernel = self.get_buffer("neighbours")
        degree = F.conv2d(x.new_ones(1, 1, *x.shape[2:]), kernel, padding=1)
        scale = degree.rsqrt()
        channels = x.shape[1]

        def spread(y: Tensor) -> Tensor:
            taps = kernel.expand(channels, -1, -1, -1)
            return scale * F.conv2d(scale * y, taps, padding=1, groups=channels)

        return spread

    def _learned_graph(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        queries, keys = self._nodes(self.theta(x)), self._nodes(self.phi(x))

        def spread(y: Tensor) -> Tensor:
            z = F.scaled_dot_product_attention(queries, keys, self._nodes(y))
            return z.squeeze(1).transpose(1, 2).unflatten(2, x.shape[2:])

        return spread

    @staticmethod
    def _nodes(x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2).unsqueeze(1)  # (B, 1, N, C)
