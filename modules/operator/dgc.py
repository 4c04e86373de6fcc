"""Dynamic group convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import (
    BatchNorm2d,
    channel_shuffle,
    common_divisor,
    conv2d,
    hidden_width,
)
from plugnas.modules._registry import register


@register(
    "dgc",
    slot="operator",
    family="dynamic",
    name="DGC: Dynamic Group Convolution",
    year=2020,
    paper="arXiv:2007.04242",
    choices={"heads": (2, 4, 8), "keep_ratio": (0.25, 0.5), "reduction": (8, 16)},
    discontinuous="of each filter only the inputs of the largest saliency are kept",
    aliases=(
        "DynamicMultiHeadConv",
        "DynamicGroupConv",
    ),
    origin="github.com/hellozhuo/dgc, MIT",
)
class DynamicGroupConvolution(nn.Module):
    """Several convolutions, each of which picks, for every sample, the input channels it reads.

    x <- relu(BN(x)); head h has gates s = relu(W2 relu(W1 mean(x)) + b), W1 C -> C / r, b = 1 at
    the start; the m smallest gates of each sample are set to 0 and y_h = conv_h(x s), to Cout / H
    channels; heads are joined and shuffled. r halves where C < 80. m = round((1 - keep_ratio) C)
    in eval mode; in training it follows ``progress`` in [0, 1] (an attribute; 1, the full m, unless
    a training loop sets it): 0 up to 1 / 12, then linearly to the full m at 3 / 4.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    ``gate_loss(x)`` is the lasso term of the paper, sum over heads of mean(s), weighted 1e-5 there.
    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/DGC.py): returns the map alone, ties prune exactly m channels, heads fall
    to a divisor of Cout, at least one channel is kept.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        heads: H, a limit: the largest divisor of Cout is taken.
        keep_ratio: share of the input channels that a head keeps, from 0 to 1.
        reduction: r: the gates' hidden layer has C // r channels, at least 1.
        kernel_size: k, taps per side, odd.
    """

    progress: float = 1.0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        heads: int = 4,
        keep_ratio: float = 0.25,
        reduction: int = 16,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.heads = heads = common_divisor(heads, out_channels)
        self.keep_ratio = keep_ratio
        hidden = hidden_width(in_channels, reduction if in_channels >= 80 else reduction // 2)
        self.norm = BatchNorm2d(in_channels)
        self.squeeze = nn.Conv2d(in_channels, heads * hidden, 1, bias=False)
        self.excite = nn.Conv2d(heads * hidden, heads * in_channels, 1, groups=heads)
        nn.init.ones_(self.excite.bias)  # type: ignore[arg-type]
        self.conv = conv2d(
            heads * in_channels, out_channels, kernel_size, stride=stride, groups=heads
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(x))
        gates = self._largest(self._gates(x), self._kept(x.shape[1]))
        gated = x[:, None] * gates[..., None, None]  # (B, heads, C, H, W)
        return channel_shuffle(self.conv(gated.flatten(1, 2)), self.heads)

    def gate_loss(self, x: Tensor) -> Tensor:
        """Return the lasso term: the gates' mean, summed over the heads."""
        return self._gates(F.relu(self.norm(x))).mean((0, 2)).sum()

    def _gates(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return F.relu(self.excite(hidden)).flatten(1).unflatten(1, (self.heads, -1))  # (B, H, C)

    @staticmethod
    def _largest(gates: Tensor, count: int) -> Tensor:
        """Zero all but the ``count`` largest gates of each head; of equal ones the first."""
        least = gates.topk(count, dim=2).values[..., -1:]
        above, ties = gates > least, gates == least
        room = count - above.sum(2, keepdim=True)
        return gates * (above | (ties & (ties.cumsum(2) <= room)))

    def _kept(self, channels: int) -> int:
        share = min(1.0, max(0.0, 1.5 * (self.progress - 1 / 12))) if self.training else 1.0
        return max(1, channels - round((1 - self.keep_ratio) * channels * share))
