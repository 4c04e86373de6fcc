"""Self transformer of the Feature Pyramid Transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, conv2d, one_of, resize_like
from plugnas.modules._registry import register

_MODES = ("mos", "embedded", "dot")


class PyramidAttention(nn.Module):
    """What the self and the grounding transformer share: x attends to y, (B, C, H, W) -> the same.

    q of x, k and v of y are biased 1x1 convolutions to ``inner`` channels, rounded up to a multiple
    of ``mixtures``; A v, with A = q k^T / M (``dot``) or a mixture of softmaxes of q k^T, passes a
    1x1 convolution and a batch norm that starts at 0.

    Args:
        channels: C, channels of x and of the result.
        deep: channels of y.
        inner: channels of q, k and v, before they are rounded up.
        mode: ``dot``; anything else is a mixture of softmaxes.
        mixtures: softmaxes in the mixture, at least 1.
    """

    def __init__(self, channels: int, deep: int, inner: int, *, mode: str, mixtures: int) -> None:
        super().__init__()
        self.mode, self.mixtures = mode, mixtures
        inner = -(-max(1, inner) // mixtures) * mixtures
        self.query = conv2d(channels, inner, bias=True)
        self.key = conv2d(deep, inner, bias=True)
        self.value = conv2d(deep, inner, bias=True)
        # A single softmax has share 1: no parameter is needed.
        self.mix = nn.Linear(inner, mixtures, bias=False) if mixtures > 1 else None
        norm = BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.project = nn.Sequential(conv2d(inner, channels, bias=True), norm)

    def attend(self, x: Tensor, y: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(y), self.value(y)
        values = v.flatten(2).transpose(1, 2)
        if self.mode == "dot":
            affinity = torch.einsum("bdn,bdm->bnm", q.flatten(2), k.flatten(2))
            attended = affinity @ values / values.shape[1]
        else:
            parts = split_parts(q, self.mixtures), split_parts(k, self.mixtures)
            attended = mixed_attention(*self.logit_factors(*parts), values, self._shares(k))
        return self.project(attended.transpose(1, 2).unflatten(2, x.shape[2:]))

    def logit_factors(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """What is multiplied to logits, of q (B, P, N, d) and k (B, P, M, d): here these two."""
        return q, k

    def _shares(self, keys: Tensor) -> Tensor:
        """Softmax of a linear map of the mean key: (B, D, h, w) -> (B, P); 1 where P is 1."""
        mean = keys.mean((2, 3))
        return torch.ones_like(mean[:, :1]) if self.mix is None else self.mix(mean).softmax(1)


def mixed_attention(q: Tensor, k: Tensor, v: Tensor, shares: Tensor) -> Tensor:
    """Attend with a mixture of softmaxes.

    Args:
        q: queries of each part, (B, P, N, dq). k: keys, (B, P, M, dq). v: values, (B, M, d).
        shares: weight of each part's softmax, (B, P).

    Returns:
        sum over p of shares_p softmax_rows(q_p k_p^T) v, (B, N, d); logits are not scaled.
    """
    values = v.unsqueeze(1).expand(-1, q.shape[1], -1, -1)
    parts = F.scaled_dot_product_attention(q, k, values, scale=1.0)
    return torch.einsum("bp,bpnd->bnd", shares, parts)


def split_parts(x: Tensor, parts: int) -> Tensor:
    """Cut the channels of a map into parts of tokens: (B, D, H, W) -> (B, P, H W, D / P)."""
    return x.flatten(2).unflatten(1, (parts, -1)).transpose(2, 3)


@register(
    "fpt_self",
    slot="fusion",
    family="self_attention",
    name="Feature Pyramid Transformer: self transformer",
    year=2020,
    paper="arXiv:2007.09451",
    choices={"mode": _MODES},
    aliases=(
        "SelfTrans",
        "FeaturePyramidTransformer",
    ),
    origin="github.com/dongzhang89/FPT, NOASSERTION",
)
class FPTSelf(PyramidAttention):
    """Adds two maps and lets every position of the sum attend to all others.

    The mechanism acts on one map s (N = H W positions): x alone, or as a fusion x + y, with y
    resampled to the size of x. q, k, v are biased 1x1 convolutions of s to d = C / 2 channels:
    mos: A = sum_m pi_m softmax_rows(q_m k_m^T) over parts m of the channels, pi = softmax_m of
    w_m . mean_j k_j; embedded: A = softmax_rows(q k^T); dot: A = q k^T / N.
    out = s + BN(W A v), the norm's weight and bias 0 at the start, so that out = s there.
    x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/FPT/self_trans.py), which drops the mixture of softmaxes and keeps dot: the
    paper's mixture is the default. The inner width is rounded up to a multiple of ``mixtures``.
    """

    def __init__(self, channels: int, *, mode: str = "mos", mixtures: int = 2) -> None:
        one_of("mode", mode, _MODES)
        mixtures = mixtures if mode == "mos" else 1
        super().__init__(channels, channels, channels // 2, mode=mode, mixtures=mixtures)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        s = x if y is None else x + resize_like(y, x)
        return s + self.attend(s, s)
