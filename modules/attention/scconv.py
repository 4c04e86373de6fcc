"""SCConv: the spatial and the channel reconstruction unit, and one after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import GroupNorm, common_divisor, conv2d, hidden_width, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._same import channel_groups
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError

_PAPER = "CVPR 2023 (Li, Wen, He)"
_SRU_FORMS = ("paper", "hard")


def _refuses(site: Site, setting: Setting) -> str | None:
    return _too_few(site.channels)


def _too_few(channels: int) -> str | None:
    if channels >= 2:
        return None
    return f"splitting the channels in two needs at least 2, but got {channels}; widen the map"


def _split(channels: int, alpha: float) -> tuple[int, int]:
    """The channels of the rich and of the cheap part, at least one each."""
    rich = min(max(int(alpha * channels), 1), channels - 1)
    return rich, channels - rich


def _hidden(site: Site, setting: Setting) -> tuple[int, ...]:
    parts = _split(site.channels, setting["alpha"])
    return tuple(hidden_width(part, setting["reduction"]) for part in parts)


_SAME = {
    "alpha": lambda site, s: _split(site.channels, s["alpha"]),
    "reduction": _hidden,
    "groups": lambda site, s: common_divisor(s["groups"], _hidden(site, s)[0], site.channels),
}


@register(
    "sru",
    slot="attention",
    family="spatial",
    name="Spatial reconstruction unit of SCConv",
    year=2023,
    paper=_PAPER,
    choices={"groups": (2, 4, 8, 16), "form": _SRU_FORMS},
    same={"groups": channel_groups()},
    no_origin="no code of the authors was found in November 2026",
)
class SRU(nn.Module):
    """Separates informative from redundant values by group norm and adds them crosswise.

    g = GroupNorm(x) with scales gamma; R = sigmoid(g gamma_c / sum |gamma|); t = ``threshold``.
    paper: W1 = 1 where R > t, else R; W2 = 0 where R > t, else R; X1 = W1 x, X2 = W2 x.
    hard: X1 = g where R >= t, X2 = g elsewhere (the code named below). y_c = X1_c + X2_(c + C //
    2), channels counted cyclically. (B, C, H, W) -> the same.

    Departs from circulating code (KawaiiAsh/deepLearning-modules-toolbox, ScConv.py): gamma starts
    at 1 and is divided by the sum of absolute values, which cannot vanish by signs; the norm is
    torch's; an odd C is rolled by C // 2; where the groups do not divide C, the largest divisor
    below is taken.

    Args:
        channels: C, channels of the map.
        groups: groups of the norm, a limit: the largest divisor of C is taken.
        threshold: t, from 0 to 1.
        form: ``paper`` or ``hard``: how values are separated.
    """

    def __init__(
        self, channels: int, *, groups: int = 16, threshold: float = 0.5, form: str = "paper"
    ) -> None:
        super().__init__()
        self.threshold, self.form = threshold, one_of("form", form, _SRU_FORMS)
        self.norm = GroupNorm(common_divisor(groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        g = self.norm(x)
        scales = self.norm.weight
        shares = scales / scales.abs().sum().clamp_min(1e-12)
        gate = (g * shares[:, None, None]).sigmoid()
        if self.form == "hard":
            informative = torch.where(gate >= self.threshold, g, 0.0)
            redundant = g - informative
        else:
            above = gate > self.threshold
            informative = torch.where(above, 1.0, gate) * x
            redundant = torch.where(above, 0.0, gate) * x
        return informative + redundant.roll(-(x.shape[1] // 2), dims=1)


@register(
    "cru",
    slot="attention",
    family="channel",
    name="Channel reconstruction unit of SCConv",
    year=2023,
    paper=_PAPER,
    choices={"alpha": (0.25, 0.5, 0.75), "reduction": (2, 4), "groups": (1, 2, 4)},
    refuses=_refuses,
    same=_SAME,
    no_origin="no code of the authors was found in November 2026",
)
class CRU(nn.Module):
    """Rebuilds the channels from a rich and a cheap transform of two parts of them.

    The first alpha C channels u and the others l are each squeezed by a 1x1 convolution to
    1 / reduction. Y1 = GWC(u) + PWC(u): a grouped k x k and a 1x1 convolution to C.
    Y2 = concat(PWC(l), l), with a 1x1 convolution to the C channels less those of l.
    Per channel (b1, b2) = softmax of the pair (mean Y1, mean Y2); y = b1 Y1 + b2 Y2.
    (B, C, H, W) -> the same. ``form="joint"`` has one softmax over all 2 C means, as in the code
    named below; its output shrinks with C.

    Departs from circulating code (cheng-haha/ScConv, ScConv.py): the pair is the default, as in the
    paper; widths never fall to 0, and where the groups do not divide the widths, the largest
    divisor below is taken.

    Args:
        channels: C, channels of the map, at least 2.
        alpha: share of the channels that go the rich way, between 0 and 1.
        reduction: each part is squeezed to 1 / reduction of its channels, at least 1.
        groups: groups of the rich convolution, a limit: the largest number that divides its widths
            is taken.
        kernel_size: k, taps per side of the rich convolution, odd.
        form: ``paper`` or ``joint``: one softmax per channel, or one over all.
    """

    def __init__(
        self,
        channels: int,
        *,
        alpha: float = 0.5,
        reduction: int = 2,
        groups: int = 2,
        kernel_size: int = 3,
        form: str = "paper",
    ) -> None:
        super().__init__()
        if reason := _too_few(channels):
            raise RefusedError(reason)
        self.form = one_of("form", form, ("paper", "joint"))
        self.rich, self.cheap = _split(channels, alpha)
        rich, cheap = hidden_width(self.rich, reduction), hidden_width(self.cheap, reduction)
        self.squeeze_rich = conv2d(self.rich, rich)
        self.squeeze_cheap = conv2d(self.cheap, cheap)
        self.grouped = conv2d(
            rich,
            channels,
            kernel_size,
            groups=common_divisor(groups, rich, channels),
            bias=True,
        )
        self.pointwise_rich = conv2d(rich, channels)
        self.pointwise_cheap = conv2d(cheap, channels - cheap)

    def forward(self, x: Tensor) -> Tensor:
        u, low = x.split([self.rich, self.cheap], dim=1)
        u, low = self.squeeze_rich(u), self.squeeze_cheap(low)
        y1 = self.grouped(u) + self.pointwise_rich(u)
        y2 = torch.cat([self.pointwise_cheap(low), low], dim=1)
        means = torch.stack([y1.mean((2, 3)), y2.mean((2, 3))], dim=1)  # (B, 2, C)
        joint = self.form == "joint"
        shares = means.flatten(1).softmax(1).reshape(means.shape) if joint else means.softmax(1)
        b1, b2 = shares[..., None, None].unbind(1)
        return b1 * y1 + b2 * y2


@register(
    "scconv",
    slot="attention",
    family="channel_spatial",
    name="Spatial and channel reconstruction convolution",
    year=2023,
    paper=_PAPER,
    choices={"alpha": (0.25, 0.5, 0.75), "reduction": (2, 4), "groups": (1, 2, 4)},
    refuses=_refuses,
    same=_SAME,
    aliases=("SCConvReconstruction",),
    no_origin="no code of the authors was found in November 2026, and reproductions say so too",
)
class SCConv(nn.Module):
    """Removes redundancy over space, then over channels: CRU(SRU(x)).

    See ``SRU`` (``norm_groups``, ``threshold``) and ``CRU`` (the other parameters).
    (B, C, H, W) -> the same, without a residual.

    Its parts say where they depart from circulating code.

    Args:
        channels: C, channels of the map, at least 2.
        alpha: share of the channels that go the rich way, between 0 and 1.
        reduction: each part is squeezed to 1 / reduction of its channels, at least 1.
        groups: groups of the rich convolution, a limit: the largest number that divides its widths
            is taken.
        kernel_size: k, taps per side of the rich convolution, odd.
        norm_groups: groups of SRU's norm, a limit: the largest divisor of C is taken.
        threshold: SRU's t, from 0 to 1.
    """

    def __init__(
        self,
        channels: int,
        *,
        alpha: float = 0.5,
        reduction: int = 2,
        groups: int = 2,
        kernel_size: int = 3,
        norm_groups: int = 4,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.spatial = SRU(channels, groups=norm_groups, threshold=threshold)
        self.channel = CRU(
            channels, alpha=alpha, reduction=reduction, groups=groups, kernel_size=kernel_size
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.channel(self.spatial(x))
