"""Mixed local channel attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.attention.eca import adaptive_kernel

_GRIDS = (3, 5, 7)


def _same(site: Site, setting: Setting) -> Setting:
    return {"grid": _GRIDS[0]} if site.height == site.width == 1 else {}


@register(
    "mlca",
    slot="attention",
    family="channel",
    name="Mixed local channel attention",
    year=2023,
    paper="Engineering Applications of Artificial Intelligence 2023 (Wan et al.)",
    choices={"grid": _GRIDS},
    aliases=("MLCA",),
    origin="github.com/wandahangFY/MLCA, GPL-3.0-only",
    same=_same,
)
class MixedLocalChannelAttention(nn.Module):
    """Gates channels place by place, by neighbouring channels of the place and of the whole map.

    p = means of x over a g x g grid of places, m = mean of p over the places; a_local(place) =
    sigmoid(k taps along the channels of p at the place), a_global = sigmoid(k other taps along
    the channels of m), zero-padded, no bias; a = (a_local + a_global) / 2, spread over the map;
    y = x a. (B, C, H, W) -> the same. ``grid`` is g; k comes from the width by ECA's rule.

    Where H is no multiple of g, a row of the map takes the mean of the places that it touches
    (adaptive average pooling, both ways, as in the authors' code). Departs from that code: taps
    never reach from the last channel of one place to the first of the next.
    """

    def __init__(self, channels: int, *, grid: int = 5) -> None:
        super().__init__()
        self.grid = grid
        k = adaptive_kernel(channels)
        self.local = nn.Conv2d(1, 1, (k, 1), padding=(k // 2, 0), bias=False)
        self.whole = nn.Conv2d(1, 1, (k, 1), padding=(k // 2, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        places = F.adaptive_avg_pool2d(x, self.grid).flatten(2).unsqueeze(1)  # (B, 1, C, g^2)
        local = self.local(places).sigmoid()
        whole = self.whole(places.mean(3, keepdim=True)).sigmoid()
        gate = ((local + whole) / 2).squeeze(1).unflatten(2, (self.grid, self.grid))
        return x * F.adaptive_avg_pool2d(gate, x.shape[-2:])  # type: ignore[arg-type]
