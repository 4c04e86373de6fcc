"""A control for attention: as many parameters, but no view of other positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

# In per cent of the channels; each about a third more than the one before.
_HIDDEN = (0, 1, 2, 3, 4, 6, 8, 11, 14, 19, 25, 33, 44, 58, 77, 100, 133, 200, 300, 400, 600, 800)


def hidden_channels(channels: int, hidden: int) -> int:
    """Return the channels inside the pointwise map: ``hidden`` per cent of those of the site."""
    return round(channels * hidden / 100)


def _same_width(site: Site, setting: Setting) -> int:
    return hidden_channels(site.channels, setting["hidden"])


@register(
    "placebo",
    slot="attention",
    family="control",
    name="Placebo",
    choices={"hidden": _HIDDEN},
    same={"hidden": _same_width},
    no_origin="a control of this project",
)
class Placebo(nn.Module):
    """Scales each channel and adds a pointwise map: the control that attention is compared with.

    y = s * (x + B relu(A x)) with s of one number per channel, that begins at 1, and A, B matrices
    of C x h and h x C numbers that work on each position alone; h = ``hidden`` per cent of C, and
    without h there is the scale alone. (B, C, H, W) -> the same, with C + 2 C h parameters.

    It sees neither another position nor a statistic of the map, so that it cannot attend to
    anything. An attention that gains no more than the placebo, at as many parameters, gains by its
    parameters and not by what it attends to. It is no mechanism of a paper, and `all` leaves it
    out.
    """

    def __init__(self, channels: int, *, hidden: int = 25) -> None:
        super().__init__()
        inside = hidden_channels(channels, hidden)
        self.scale = nn.Parameter(torch.ones(channels))
        self.reduce = nn.Conv2d(channels, inside, 1, bias=False) if inside else None
        self.expand = nn.Conv2d(inside, channels, 1, bias=False) if inside else None

    def forward(self, x: Tensor) -> Tensor:
        if self.reduce is not None and self.expand is not None:
            x = x + self.expand(self.reduce(x).relu())
        return x * self.scale[:, None, None]
