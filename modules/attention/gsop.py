"""Global second-order pooling (GSoP) as attention over channels and positions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d, one_of, resize_like
from plugnas.modules._registry import register

_MODES = ("channel", "position", "both")


@register(
    "gsop",
    slot="attention",
    family="second_order",
    name="Global second-order pooling attention",
    year=2018,
    paper="arXiv:1811.12006",
    origin="github.com/ZilinGao/Global-Second-order-Pooling-Convolutional-Networks, MIT",
    choices={
        "mode": _MODES,
        "hidden_channels": (32, 64, 128),
        "positions": (4, 8),
    },
    only_with={"positions": ("mode", ("position", "both"))},
    same={"hidden_channels": lambda site, s: min(s["hidden_channels"], site.channels)},
    aliases=("GSoPNet",),
)
class GSoP(nn.Module):
    """Gates channels, positions or both by numbers made from each one's row of a covariance matrix.

    channel: z = relu(BN(1x1 convolution of x to d)); S = covariance of the d channels over the N
    positions, (d, d). position: z is average-pooled to m x m and S is the covariance of the m^2
    positions over the channels; here z has no ReLU. Each row of S becomes four numbers (batch norm,
    a convolution of its own per row, and for positions a ReLU), those become C or m^2 logits;
    y = x * sigmoid(logits), the m x m gates resized to the map. both: the mean of the two gates.
    (B, C, H, W) -> the same. d = min(``hidden_channels``, C), m = ``positions``; covariances divide
    by the count.

    Departs from the authors' code: d never exceeds C; gates are resized bilinearly (there by an
    adaptive average); x is not rectified before: that is left to the host. The pooling of the same
    paper that ends a network (iSQRT-COV) is another slot's.

    Args:
        channels: C, channels of the map.
        mode: ``channel``, ``position`` or ``both``: what is gated.
        hidden_channels: d, channels of the covariance, a limit; at most C.
        positions: m, rows and columns of the pooled map; for ``position`` and ``both``.
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: str = "channel",
        hidden_channels: int = 128,
        positions: int = 8,
    ) -> None:
        super().__init__()
        hidden = min(hidden_channels, channels)
        self.mode, self.positions = one_of("mode", mode, _MODES), positions
        if mode != "position":
            self.channel_reduce = ConvBN(channels, hidden, activation=nn.ReLU())
            self.channel_rows = _Rows(hidden, channels)
        if mode != "channel":
            self.position_reduce = ConvBN(channels, hidden)
            self.position_rows = _Rows(positions**2, positions**2, between=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "channel":
            return x * self._channel(x)
        if self.mode == "position":
            return x * self._position(x)
        return x * (0.5 * (self._channel(x) + self._position(x)))

    def _channel(self, x: Tensor) -> Tensor:
        z = self.channel_reduce(x).flatten(2)  # (B, d, N)
        return self.channel_rows(_covariance(z))[..., None].sigmoid()

    def _position(self, x: Tensor) -> Tensor:
        side = (self.positions, self.positions)
        z = F.adaptive_avg_pool2d(self.position_reduce(x), side).flatten(2)  # (B, d, m^2)
        gates = self.position_rows(_covariance(z.transpose(1, 2))).sigmoid()
        return resize_like(gates.transpose(1, 2).unflatten(2, side), x)


class _Rows(nn.Module):
    """From each row of a (B, d, d) matrix four numbers, from all of them ``out``: (B, out, 1)."""

    def __init__(self, size: int, out: int, between: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = BatchNorm2d(size)
        self.between = nn.Identity() if between is None else between
        self.row = nn.Conv2d(size, 4 * size, (size, 1), groups=size)
        self.mix = conv2d(4 * size, out, bias=True)

    def forward(self, matrix: Tensor) -> Tensor:
        return self.mix(self.between(self.row(self.norm(matrix.unsqueeze(3))))).squeeze(3)


def _covariance(variables: Tensor) -> Tensor:
    """Covariance of d variables with N observations, (B, d, N) -> (B, d, d)."""
    centred = variables - variables.mean(2, keepdim=True)
    return centred @ centred.transpose(1, 2) / variables.shape[2]
