"""Pooling as the token mixer of PoolFormer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_SIZES = (3, 5, 7, 9)


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """The smallest kernel with the same result: a larger one sees no more than the whole map."""
    whole = 2 * max(site.height, site.width) - 1
    return {"kernel_size": next(k for k in _SIZES if k >= min(setting["kernel_size"], whole))}


@register(
    "pool_mixer",
    slot="attention",
    family="pooling",
    name="PoolFormer's pooling",
    year=2021,
    paper="arXiv:2111.11418",
    choices={"kernel_size": _SIZES},
    same=_same,
    aliases=("PoolFormer",),
    origin="github.com/sail-sg/poolformer, Apache-2.0",
)
class PoolMixer(nn.Module):
    """Mixes pixels by a local mean without weights, from which each pixel is subtracted.

    y = mean of x over the k x k pixels around - x; pixels outside the map do not count.
    (B, C, H, W) -> the same. No parameters.

    The subtraction is the paper's: its block adds x back. Where no shortcut goes around this
    module, what comes out is the local difference alone.
    """

    def __init__(self, channels: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.kernel_size = kernel_size

    def forward(self, x: Tensor) -> Tensor:
        k = self.kernel_size
        return F.avg_pool2d(x, k, stride=1, padding=k // 2, count_include_pad=False) - x
