"""Gather-excite."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d, hidden_width, one_of, resize_like
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError

_FORMS = ("theta_minus", "theta", "theta_plus")


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """Means over an extent that holds the whole map are its mean."""
    whole = setting["form"] == "theta_minus" and max(site.height, site.width) <= setting["extent"]
    return {"extent": 0} if whole else {}


class _WholeMap(nn.Module):
    """A depthwise convolution as large as the map: (B, C, H, W) -> (B, C, 1, 1)."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(math.prod(size))  # as a convolution of that size starts
        self.weight = nn.Parameter(torch.empty(channels, *size).uniform_(-bound, bound))
        self.norm = BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        weight = resize_like(self.weight.unsqueeze(0), x)
        if weight.shape[1:] != self.weight.shape:
            weight = weight * (self.weight[0].numel() / weight[0, 0].numel())
        gathered = torch.einsum("bchw,chw->bc", x, weight.squeeze(0))
        return self.norm(gathered[:, :, None, None])


@register(
    "gather_excite",
    slot="attention",
    family="spatial",
    name="Gather-excite",
    year=2018,
    paper="arXiv:1810.12348",
    choices={"form": _FORMS, "extent": (0, 2, 4, 8)},
    same=_same,
    aliases=("GENet",),
    origin="github.com/hujie-frank/GENet, NOASSERTION",
)
class GatherExcite(nn.Module):
    """Gates each value by what is gathered in its channel from a neighbourhood around it.

    G = gather(x) of size ceil(H / e), e = ``extent`` (0: the whole map, G of size 1);
    y = x sigmoid(G resized to H x W by nearest). (B, C, H, W) -> the same.
    ``theta_minus``: gather is the mean over 2 e - 1 pixels with stride e, without parameters;
    ``theta``: log2(e) depthwise 3x3 convolutions of stride 2, each with batch norm, ReLU between
    them, or one depthwise convolution as large as the map; ``theta_plus``: ``theta`` and then an
    MLP over the channels, C -> C / reduction -> C.

    Args:
        channels: width C.
        form: how to gather, see above.
        extent: 0 or a power of 2.
        reduction: of the MLP of ``theta_plus``.
        size: side of the kernel that covers the whole map; for maps of another size it is
            resampled to their size with the same sum.

    Raises:
        RefusedError: ``extent`` is neither 0 nor a power of 2.

    Departs from timm: a map of any size where ``extent`` is 0; ``theta_minus`` has no MLP (there
    it does by default, which makes the whole map's form SE).
    """

    def __init__(
        self,
        channels: int,
        *,
        form: str = "theta_plus",
        extent: int = 0,
        reduction: int = 16,
        size: tuple[int, int] = (7, 7),
    ) -> None:
        super().__init__()
        self.form, self.extent = one_of("form", form, _FORMS), extent
        if extent < 0 or extent == 1 or extent & (extent - 1):
            raise RefusedError(f"`extent` must be 0 or a power of 2, but got {extent}")
        self.gather: nn.Module | None = None
        if form != "theta_minus":
            self.gather = _WholeMap(channels, size) if extent == 0 else _strided(channels, extent)
        self.mlp: nn.Module | None = None
        if form == "theta_plus":
            hidden = hidden_width(channels, reduction)
            self.mlp = nn.Sequential(
                conv2d(channels, hidden, bias=True),
                nn.ReLU(inplace=True),
                conv2d(hidden, channels, bias=True),
            )

    def forward(self, x: Tensor) -> Tensor:
        gathered = self._mean(x) if self.gather is None else self.gather(x)
        gate = (gathered if self.mlp is None else self.mlp(gathered)).sigmoid()
        if gate.shape[-2:] == (1, 1):
            return x * gate
        return x * resize_like(gate, x, mode="nearest")

    def _mean(self, x: Tensor) -> Tensor:
        e = self.extent
        if e == 0:
            return x.mean((2, 3), keepdim=True)
        return F.avg_pool2d(x, 2 * e - 1, stride=e, padding=e - 1, count_include_pad=False)


def _strided(channels: int, extent: int) -> nn.Sequential:
    """Depthwise convolutions of stride 2, until a place stands for ``extent`` x ``extent``."""
    count = extent.bit_length() - 1
    activations: list[nn.Module | None] = [*(nn.ReLU() for _ in range(count - 1)), None]
    return nn.Sequential(
        *(
            ConvBN(channels, channels, 3, stride=2, groups=channels, activation=activation)
            for activation in activations
        )
    )
