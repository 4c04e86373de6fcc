"""Grounding transformer of the Feature Pyramid Transformer."""

from __future__ import annotations

import torch
from torch import Tensor

from plugnas.modules._parts import one_of
from plugnas.modules._registry import register
from plugnas.modules.fusion.fpt_self import PyramidAttention

_MODES = ("mos_euclidean", "embedded", "dot")


@register(
    "fpt_grounding",
    slot="fusion",
    family="self_attention",
    name="Feature Pyramid Transformer: grounding transformer",
    year=2020,
    paper="arXiv:2007.09451",
    choices={"mode": _MODES, "reduction": (2, 4)},
    aliases=(
        "GroundTrans",
        "GroundingTransformer",
    ),
    origin="github.com/dongzhang89/FPT, NOASSERTION",
)
class FPTGrounding(PyramidAttention):
    """Adds to each position of the fine map what it attends to in the whole coarse map.

    q is a biased 1x1 convolution of x (N positions), k and v of y (M positions), to C / reduction
    channels. mos_euclidean: A_ij = sum_p pi_p softmax_j(-|q_i^p - k_j^p|^2) over parts p of the
    channels, pi = softmax_p of w_p . mean_j k_j; embedded: A = softmax_rows(q k^T); dot:
    A = q k^T / M. out = x + BN(W A v), the norm's weight and bias 0 at the start.
    x (B, C, H, W), y (B, Cy, h, w) of any size -> (B, C, H, W); Cy is y_channels (C if None).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/FPT/grounding_trans.py), which keeps a plain dot product: the paper's
    distance and mixture are the default. Departs from the paper: all coarse positions take part
    instead of a square around the matching one, and x is added where the pyramid would concatenate
    it. The inner width is rounded up to a multiple of ``mixtures``.

    Args:
        channels: C, channels of x and of the result.
        mode: ``mos_euclidean``, ``embedded`` or ``dot``: how A is computed.
        reduction: q, k and v have C // reduction channels, rounded up to a multiple of the
            mixtures.
        mixtures: P, parts of the channels; for ``mos_euclidean`` alone.
        y_channels: Cy, channels of the other map; C if None.
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
        one_of("mode", mode, _MODES)
        super().__init__(
            channels,
            channels if y_channels is None else y_channels,
            channels // reduction,
            mode=mode,
            mixtures=mixtures if mode == "mos_euclidean" else 1,
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + self.attend(x, y)

    def logit_factors(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        if self.mode != "mos_euclidean":
            return q, k
        # -|q - k|^2 = 2 q k - |k|^2 - |q|^2; the last term is the same for all j and cancels.
        square = torch.einsum("bpmd,bpmd->bpm", k, k).unsqueeze(-1)
        q = torch.cat([2 * q, torch.ones_like(q[..., :1])], dim=-1)
        return q, torch.cat([k, -square], dim=-1)
