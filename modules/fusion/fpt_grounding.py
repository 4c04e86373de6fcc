"""Grounding transformer of the Feature Pyramid Transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules._parts import BatchNorm2d, conv2d, one_of
from modules._registry import register
from modules.fusion.fpt_self import mixed_attention, mixture_shares, split_parts

_MODES = ("mos_euclidean", "embedded", "dot")


@register(
    "fpt_grounding",
    slot="fusion",
    family="self_attention",
    name="Feature Pyramid Transformer: grounding transformer",
    year=2020,
    paper="arXiv:2007.09451",
    choices={"mode": _MODES, "reduction": (2, 4)},
)
class FPTGrounding(nn.Module):
    """Lets each position of the fine map gather concepts from the whole coarse map.

    q is a biased 1x1 convolution of x (N positions), k and v of y (M positions), to C / reduction
    channels. mos_euclidean: A_ij = sum_p pi_p softmax_j(-|q_i^p - k_j^p|^2) over parts p of the
    channels, pi = softmax_p of w_p . mean_j k_j; embedded: A = softmax_rows(q k^T); dot:
    A = q k^T / M. out = x + BN(W A v), the norm's weight and bias 0 at the start.
    x (B, C, H, W), y (B, Cy, h, w) of any size -> (B, C, H, W); Cy is y_channels (C if None).

    Departs from circulating code, which keeps a plain dot product: the paper's distance and
    mixture are the default. Departs from the paper: all coarse positions take part instead of a
    square around the matching one, and x is added where the pyramid would concatenate it. The
    inner width is rounded up to a multiple of ``mixtures``.
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: str = "mos_euclidean",
        reduction: int = 2,
        mixtures: int = 2,
        y_channels: int | None = None,
    ) -> None:
        super().__init__()
        deep = channels if y_channels is None else y_channels
        self.mode = one_of("mode", mode, _MODES)
        self.mixtures = mixtures if mode == "mos_euclidean" else 1
        inner = -(-max(1, channels // reduction) // self.mixtures) * self.mixtures
        self.query = conv2d(channels, inner, bias=True)
        self.key = conv2d(deep, inner, bias=True)
        self.value = conv2d(deep, inner, bias=True)
        self.mix = nn.Linear(inner, self.mixtures, bias=False) if self.mixtures > 1 else None
        norm = BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.project = nn.Sequential(conv2d(inner, channels, bias=True), norm)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(y), self.value(y)
        values = v.flatten(2).transpose(1, 2)
        if self.mode == "dot":
            affinity = torch.einsum("bdn,bdm->bnm", q.flatten(2), k.flatten(2))
            attended = affinity @ values / values.shape[1]
        else:
            attended = self._softmax(q, k, values)
        return x + self.project(attended.transpose(1, 2).unflatten(2, x.shape[2:]))

    def _softmax(self, q: Tensor, k: Tensor, values: Tensor) -> Tensor:
        shares = mixture_shares(self.mix, k)
        q, k = split_parts(q, self.mixtures), split_parts(k, self.mixtures)
        if self.mode == "mos_euclidean":
            # -|q - k|^2 = 2 q k - |k|^2 - |q|^2; the last term is the same for all j and cancels.
            square = torch.einsum("bpmd,bpmd->bpm", k, k).unsqueeze(-1)
            q = torch.cat([2 * q, torch.ones_like(q[..., :1])], dim=-1)
            k = torch.cat([k, -square], dim=-1)
        return mixed_attention(q, k, values, shares)
