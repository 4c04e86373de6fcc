"""Multi-spectral channel attention (FcaNet)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, hidden_width, one_of
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck
from plugnas.modules.errors import RefusedError

_SPACE = 7  # frequencies are numbered 0 ... 6 along either side
# (u, v), vertical and horizontal, by the accuracy that each alone gave in the paper.
_TOP = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
)  # fmt: skip
# By u + v, ties in the order of the authors' table.
_LOW = (
    (0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 1), (1, 2),
    (2, 2), (0, 3), (3, 0), (4, 0), (0, 4), (1, 3), (3, 1), (0, 5),
)  # fmt: skip
_NAMES = tuple(f"{kind}{n}" for kind in ("top", "low") for n in (1, 2, 4, 8, 16))


@register(
    "fca",
    slot="attention",
    family="frequency",
    name="Multi-spectral channel attention (FcaNet)",
    year=2020,
    paper="arXiv:2012.11879",
    origin="github.com/cfzd/FcaNet, MIT",
    choices={
        "frequencies": ("top1", "top4", "top16", "low16"),
        "reduction": (4, 8, 16),
        "dct_size": (7, 14),
    },
    same={"reduction": bottleneck()},
    aliases=(
        "FcaNet",
        "MultiSpectralAttentionLayer",
    ),
)
class FCA(nn.Module):
    """Gates each channel by a bottleneck MLP of one fixed cosine frequency of the channel.

    The map is average-pooled to P x P, P = ``dct_size``. Channels are cut into n parts; part i has
    the frequency (u_i, v_i) and f_c = sum over p, q of x_c(p, q) b(p; u_i) b(q; v_i), where
    b(p; u) = cos(pi u (p + 0.5) / P) / sqrt(P), times sqrt(2) for u > 0 (the 2-D DCT).
    y = x * sigmoid(W2 relu(W1 f)), both maps without bias. (B, C, H, W) -> the same.
    ``frequencies``: ``top<n>``, the n best of the paper (top1 is the mean up to a factor), or
    ``low<n>``, the n of smallest u + v; numbered in a 7 x 7 space and multiplied by P // 7.

    Departs from the authors' code (model/layer.py): where n does not divide C, the largest divisor
    of C below n is taken; P below 7 is refused, as all frequencies would collapse to the mean.

    Args:
        channels: C, channels of the map.
        frequencies: ``top<n>`` or ``low<n>`` with n of 1, 2, 4, 8, 16.
        reduction: the hidden layer has C // reduction channels, at least 1.
        dct_size: P, side in pixels of the pooled map, at least 7.
    """

    def __init__(
        self,
        channels: int,
        *,
        frequencies: str = "top16",
        reduction: int = 16,
        dct_size: int = 7,
    ) -> None:
        super().__init__()
        if dct_size < _SPACE:
            raise RefusedError(f"dct_size must be at least {_SPACE}, but got {dct_size}; raise it")
        self.dct_size = dct_size
        one_of("frequencies", frequencies, _NAMES)
        table = _TOP if frequencies.startswith("top") else _LOW
        parts = common_divisor(min(int(frequencies[3:]), len(table)), channels)
        self.register_buffer("basis", _basis(table[:parts], dct_size))
        hidden = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        basis = self.get_buffer("basis")  # (n, P, P)
        pooled = F.adaptive_avg_pool2d(x, (self.dct_size, self.dct_size))
        parts = pooled.unflatten(1, (basis.shape[0], -1))
        spectrum = torch.einsum("bnchw,nhw->bnc", parts, basis).flatten(1)
        gate = self.excite(F.relu(self.squeeze(spectrum))).sigmoid()
        return x * gate[..., None, None]


def _basis(frequencies: tuple[tuple[int, int], ...], size: int) -> Tensor:
    """Products of cosines, (n, size, size)."""
    step = size // _SPACE
    waves = torch.tensor([[_cosine(step * u, p, size) for p in range(size)] for u in range(_SPACE)])
    u, v = (list(axis) for axis in zip(*frequencies, strict=True))
    return torch.einsum("np,nq->npq", waves[u], waves[v])


def _cosine(frequency: int, position: int, size: int) -> float:
    wave = math.cos(math.pi * frequency * (position + 0.5) / size) / math.sqrt(size)
    return wave * math.sqrt(2) if frequency else wave
