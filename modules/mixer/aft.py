"""The attention-free transformer: full, local, simple and convolutional."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_MODES = ("full", "simple", "local", "conv")


def _same(site: Site, setting: Setting) -> dict[str, str]:
    """A window that holds every token is the full form."""
    whole = setting["mode"] == "local" and site.height * site.width <= setting["window"]
    return {"mode": "full"} if whole else {}


@register(
    "aft",
    slot="mixer",
    family="attention_free",
    name="Attention-free transformer",
    year=2021,
    paper="arXiv:2105.14103",
    choices={
        "mode": _MODES,
        "kernel_size": (3, 7),
        "window": (8, 16),
    },
    same=_same,
    only_with={"kernel_size": ("mode", ("conv",)), "window": ("mode", ("local",))},
    aliases=(
        "AFT_FULL",
        "AttentionFreeTransformer",
    ),
    no_origin="no code of the authors was found in November 2026",
)
class AFT(nn.Module):
    """Mixes tokens, channel by channel, in a mean weighted by keys and learned position biases.

    y_t = sigmoid(q_t) * sum_s exp(k_s + w_ts) v_s / sum_s exp(k_s + w_ts), then a linear map.
    full: w = a b^T from learned vectors of the positions. local: the same where |t - s| < window,
    0 elsewhere. simple: w = 0. conv: w_ts is a learned k x k kernel of the offset on the map, one
    per head, and 0 beyond it. Tokens (B, H W, C) with ``size=(H, W)`` -> the same. ``kernel_size``
    and ``heads`` matter to conv, ``window`` to local, ``rank`` and ``grid`` to full and local.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/AFT.py): a and b are grids of ``grid`` x ``grid`` positions, resampled to the
    map, so any size will do; the largest k, and the largest w of a row, are subtracted before exp;
    N^2 C numbers are never formed; the output map is there, as in the paper; the keys have no bias,
    which the fraction would cancel.

    Args:
        channels: C, features of a token.
        mode: ``full``, ``simple``, ``local`` or ``conv``: what w is.
        kernel_size: k, taps per side, odd; for ``conv``.
        window: tokens in reading order up to which w counts; for ``local``.
        heads: kernels, a limit: the largest divisor of C is taken; for ``conv``.
        rank: length of the vectors of a position; for ``full`` and ``local``.
        grid: rows and columns of the grid of vectors; for ``full`` and ``local``.
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: str = "full",
        kernel_size: int = 7,
        window: int = 16,
        heads: int = 8,
        rank: int = 128,
        grid: int = 7,
    ) -> None:
        super().__init__()
        self.mode, self.window = one_of("mode", mode, _MODES), window
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        if mode in ("full", "local"):
            self.places = nn.Parameter(0.1 * torch.randn(2, rank, grid, grid))
        elif mode == "conv":
            heads = common_divisor(heads, channels)
            self.kernel = nn.Parameter(0.1 * torch.randn(heads, 1, kernel_size, kernel_size))

    def forward(self, x: Tensor, *, size: tuple[int, int]) -> Tensor:
        k, v = self.key(x), self.value(x)
        weights = (k - k.amax(1, keepdim=True)).exp()
        terms = torch.cat([weights * v, weights], dim=2)  # (B, N, 2 C)
        if self.mode == "conv":
            sums = terms.sum(1, keepdim=True) + self._near(terms, size)
        elif self.mode == "simple":
            sums = terms.sum(1, keepdim=True)
        else:
            bias = self._bias(size)
            sums = (bias - bias.amax(1, keepdim=True)).exp() @ terms
        above, below = sums.chunk(2, dim=2)
        mean = above / below.clamp_min(torch.finfo(below.dtype).tiny)
        return self.project(self.query(x).sigmoid() * mean)

    def _near(self, terms: Tensor, size: tuple[int, int]) -> Tensor:
        """What the kernel adds to the plain sums, where exp(w) differs from 1: (B, N, 2 C)."""
        width = terms.shape[2]
        each = self.kernel.repeat_interleave(width // 2 // self.kernel.shape[0], dim=0)
        taps = torch.cat([each, each]).expm1()
        maps = terms.transpose(1, 2).unflatten(2, size)
        near = F.conv2d(maps, taps, padding=taps.shape[-1] // 2, groups=width)
        return near.flatten(2).transpose(1, 2)

    def _bias(self, size: tuple[int, int]) -> Tensor:
        """The position biases w, (N, N)."""
        places = F.interpolate(self.places, size=size, mode="bilinear", align_corners=False)
        to, of = places.flatten(2).unbind(0)  # (rank, N) each
        bias = to.T @ of
        if self.mode == "full":
            return bias
        index = torch.arange(bias.shape[0], device=bias.device)
        return torch.where((index[:, None] - index).abs() < self.window, bias, 0.0)
