"""Unit force operated attention (UFO-ViT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.mixer.self_attention import same_head_channels

_AXES = {"paper": -2, "last_axis": -1}


def _same(site: Site, setting: Setting) -> dict[str, object]:
    """Heads of one feature have a matrix of one number, whose two axes are alike."""
    changed = {**setting, **same_head_channels(site, setting)}
    width = changed["head_channels"] or hidden_width(site.channels, changed["heads"])
    return {**changed, "form": "paper"} if width == 1 else changed


@register(
    "ufo",
    slot="mixer",
    family="linear_attention",
    name="Unit force operated attention (UFO-ViT)",
    year=2021,
    paper="arXiv:2109.14382",
    choices={
        "heads": (2, 4, 8),
        "head_channels": (0, 16, 32, 64),
        "form": tuple(_AXES),
    },
    same=_same,
    aliases=(
        "UFOViT",
        "UFOAttention",
    ),
    no_origin="no code of the authors was found in November 2026",
)
class UFOAttention(nn.Module):
    """Mixes tokens in linear time, with vectors of normalised length in place of the softmax.

    Per head n(q) n(k^T v), where n(a) = gamma a / |a| with one learned gamma per head. n(q) is
    taken over the features. n(k^T v), a d x d matrix, is taken over the axis of k (``paper``) or of
    v (``last_axis``, as in the code named below). Heads are joined and projected. (B, N, C) -> the
    same. A head has ``head_channels`` features, or its share max(1, C // heads) where that is 0, as
    in the paper's networks.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/UFOAttention.py): gamma starts at 1 instead of a random sign and size; a length
    of 0 is avoided.

    Args:
        channels: C, features of a token.
        heads: attention heads, any number.
        head_channels: d, features of a head; 0: C // heads, at least 1.
        form: ``paper`` or ``last_axis``: over which axis n(k^T v) is taken.
    """

    def __init__(
        self, channels: int, *, heads: int = 8, head_channels: int = 0, form: str = "paper"
    ) -> None:
        super().__init__()
        inner = heads * (head_channels or hidden_width(channels, heads))
        self.heads = heads
        self.axis = _AXES[one_of("form", form, _AXES)]
        self.qkv = nn.Linear(channels, 3 * inner)
        self.gamma = nn.Parameter(torch.ones(heads))
        self.project = nn.Linear(inner, channels)

    def forward(self, x: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # (B, h, N, d) each
        gamma = self.gamma[:, None, None]
        q = gamma * F.normalize(q, dim=-1)
        summary = gamma * F.normalize(k.transpose(2, 3) @ v, dim=self.axis)  # (B, h, d, d)
        return self.project((q @ summary).transpose(1, 2).flatten(2))
