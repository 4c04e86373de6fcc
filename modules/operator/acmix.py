"""ACmix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import bias_of, pointwise_matrix
from plugnas.modules._parts import common_divisor, sum_of_products, window_taps
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError


@register(
    "acmix",
    slot="operator",
    family="self_attention",
    name="ACmix, integration of self-attention and convolution",
    year=2021,
    paper="arXiv:2111.14556",
    choices={"window": (3, 5, 7), "heads": (2, 4, 8)},
    aliases=("ACmixAttention",),
    origin="github.com/LeapLabTHU/ACmix, NOASSERTION",
)
class ACmix(nn.Module):
    """Self-attention over a neighbourhood and a convolution, fed by the same three projections.

    q, k, v = 1x1 layers Cin -> Cout in heads of width d. Attention: over the window x window
    neighbours n of p (reflected at the border), softmax of d^-1/2 q_p . (k_n + e_p - e_n), applied
    to v_n; e is a 1x1 layer of the pixel's coordinates in [-1, 1]. Convolution: per pixel and head
    channel, the 3 x heads values of q, k, v are mapped to k^2 (starting as the k^2 shifts of a
    k x k convolution), then grouped over d into Cout. y = r1 attention + r2 convolution, r = 1 / 2
    at the start. With a stride, q and the windows stand on every s-th pixel.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ACmixAttention.py): any size (borders repeat where a map is too small to
    reflect, ceil(H / s) rows), heads fall to a divisor of Cout. What is constant over the window
    cancels in the softmax: e_p is not computed and e has no bias.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        window: side in pixels of the neighbourhood that is attended to, odd.
        heads: attention heads, a limit: the largest divisor of Cout is taken.
        kernel_size: k, taps per side of the convolution, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        window: int = 7,
        heads: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.stride, self.window = stride, window
        self.heads = common_divisor(heads, out_channels)
        self.head_channels = out_channels // self.heads
        self.q = nn.Conv2d(in_channels, out_channels, 1)
        self.k = nn.Conv2d(in_channels, out_channels, 1)
        self.v = nn.Conv2d(in_channels, out_channels, 1)
        self.position = nn.Conv2d(2, self.head_channels, 1, bias=False)
        taps = kernel_size**2
        self.mix = nn.Conv2d(3 * self.heads, taps, 1, bias=False)
        self.shift = nn.Conv2d(
            self.head_channels * taps, out_channels, kernel_size, stride, kernel_size // 2,
            groups=self.head_channels, bias=False,
        )  # fmt: skip
        with torch.no_grad():
            one_hot = torch.eye(taps).unflatten(1, (kernel_size, kernel_size))
            self.shift.weight.copy_(one_hot.expand_as(self.shift.weight))
        self.attention_rate = nn.Parameter(torch.tensor(0.5))
        self.convolution_rate = nn.Parameter(torch.tensor(0.5))

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1: the same outputs.

        The attention starts with rate 0; the convolution path passes the values on.

        Raises:
            AdoptError: another convolution, or more heads than the path has taps.
        """
        matrix = pointwise_matrix(
            conv, self.v.in_channels, self.v.out_channels, self.stride, bias=True
        )
        heads, taps = self.heads, self.mix.out_channels
        if heads > taps:
            raise AdoptError(f"{heads} heads do not go through {taps} taps; take fewer heads")
        # Tap h of the mixing is the value of head h, which output h of a group reads at its centre.
        self.mix.weight.zero_()
        self.mix.weight[:heads, 2 * heads :, 0, 0].fill_diagonal_(1.0)
        by_output = self.shift.weight.unflatten(0, (-1, heads))  # (d, heads, k^2, k, k)
        by_output[:, :, :heads] = 0.0
        centre = self.shift.kernel_size[0] // 2
        for h in range(heads):
            by_output[:, h, h, centre, centre] = 1.0
        order = torch.arange(len(matrix)).unflatten(0, (-1, heads)).T.flatten()
        self.v.weight.copy_(matrix[order][:, :, None, None])
        if self.v.bias is not None:
            self.v.bias.copy_(bias_of(conv)[order])
        self.attention_rate.zero_()
        self.convolution_rate.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(1, (self.heads, -1)) for layer in (self.q, self.k, self.v))
        attention = self.attention_rate * self._attend(q, k, v)
        stacked = torch.cat([q, k, v], dim=1).flatten(3)  # (B, 3 heads, d, HW)
        taps = self.mix(stacked).transpose(1, 2).flatten(1, 2)  # (B, d k^2, HW)
        return attention + self.convolution_rate * self.shift(taps.unflatten(-1, x.shape[-2:]))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, heads, d, H, W) thrice -> (B, heads d, ceil(H / s), ceil(W / s))."""
        q = q[..., :: self.stride, :: self.stride] * self.head_channels**-0.5
        keys = self._neighbours(k - self._positions(k))
        logits = torch.stack([(q * key).sum(2, keepdim=True) for key in keys])
        shares = logits.softmax(0).to(v.dtype)  # (window^2, B, heads, 1, rows, columns)
        return sum_of_products(self._neighbours(v), shares.unbind(0)).flatten(1, 2)

    def _positions(self, like: Tensor) -> Tensor:
        """The 1x1 layer of the coordinates, (d, H, W), at least in float32 under autocast too.

        Neighbours of a large map are close, and it is their difference that matters.
        """
        precise = torch.promote_types(like.dtype, torch.float32)
        height, width = like.shape[-2:]
        rows = torch.linspace(-1.0, 1.0, height, dtype=precise, device=like.device)
        columns = torch.linspace(-1.0, 1.0, width, dtype=precise, device=like.device)
        by_column, by_row = self.position.weight.unbind(1)  # each (d, 1, 1)
        return by_column * columns + by_row * rows[:, None]

    def _neighbours(self, x: Tensor) -> list[Tensor]:
        """(B, heads, d, H, W) -> for each place of the window (B, heads, d, rows, columns)."""
        reach = self.window // 2
        mode = "reflect" if min(x.shape[-2:]) > reach else "replicate"
        padded = F.pad(x.flatten(1, 2), (reach,) * 4, mode=mode)
        padded = padded.unflatten(1, (self.heads, -1))
        return window_taps(padded, self.window, stride=self.stride)
