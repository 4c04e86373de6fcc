"""The receptive field block of RFBNet and its small variant."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, hidden_width, one_of
from plugnas.modules._registry import register

# One convolution of a branch: output channels, kernel, dilation.
_Layer = tuple[int, int | tuple[int, int], int]

_FORMS = ("rfb", "rfb_s")


@register(
    "rfb",
    slot="context",
    family="multi_scale",
    name="Receptive field block",
    year=2017,
    paper="arXiv:1711.07767",
    choices={"scale": (0.1, 1.0), "dilation": (1, 2), "form": _FORMS},
    only_with={"dilation": ("form", ("rfb",))},
    aliases=(
        "BasicRFB",
        "RFBNet",
    ),
    origin="github.com/GOATmessi7/RFBNet, MIT",
)
class RFB(nn.Module):
    """Joins branches of growing kernel and dilation, like the receptive fields of human vision.

    rfb, with c = C // 8 and d = ``dilation``: 1x1 to 2c, 3x3 dilated d; 1x1 to c, 3x3 to 2c, 3x3
    dilated d + 1; 1x1 to c, 3x3 to 3 (c // 2), 3x3 to 2c, 3x3 dilated 2d + 1.
    rfb_s, with c = C // 4: 1x1, 3x3; 1x1, 3x1, 3x3 dilated 3; 1x1, 1x3, 3x3 dilated 3, all to c;
    1x1 to c // 2, 1x3 to 3 (c // 4), 3x1 to c, 3x3 dilated 5 (``dilation`` does not matter).
    u = 1x1 convolution of the concatenated branches; y = relu(scale u + 1x1 convolution of x). Each
    convolution is without bias and has batch norm, and ReLU unless it is the last of its branch, u
    or the shortcut. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/ReceptiveFieldModule.py): widths never fall to 0; torch's momentum of the
    batch norm.

    Args:
        channels: C, channels of the map.
        scale: by which the joined branches are multiplied before they are added.
        dilation: d, pixels between taps; without effect in ``rfb_s``.
        form: ``rfb`` or ``rfb_s``, see above.
    """

    def __init__(
        self, channels: int, *, scale: float = 0.1, dilation: int = 1, form: str = "rfb"
    ) -> None:
        super().__init__()
        self.scale = scale
        one_of("form", form, _FORMS)
        layers = _small(channels) if form == "rfb_s" else _large(channels, dilation)
        self.branches = nn.ModuleList(_branch(channels, branch) for branch in layers)
        width = sum(branch[-1][0] for branch in layers)
        self.merge = ConvBN(width, channels)
        self.shortcut = ConvBN(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        u = self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))
        return F.relu(self.scale * u + self.shortcut(x))


def _large(channels: int, dilation: int) -> list[list[_Layer]]:
    c = hidden_width(channels, 8)
    between = 3 * hidden_width(c, 2)
    return [
        [(2 * c, 1, 1), (2 * c, 3, dilation)],
        [(c, 1, 1), (2 * c, 3, 1), (2 * c, 3, dilation + 1)],
        [(c, 1, 1), (between, 3, 1), (2 * c, 3, 1), (2 * c, 3, 2 * dilation + 1)],
    ]


def _small(channels: int) -> list[list[_Layer]]:
    c = hidden_width(channels, 4)
    half, between = hidden_width(c, 2), 3 * hidden_width(c, 4)
    return [
        [(c, 1, 1), (c, 3, 1)],
        [(c, 1, 1), (c, (3, 1), 1), (c, 3, 3)],
        [(c, 1, 1), (c, (1, 3), 1), (c, 3, 3)],
        [(half, 1, 1), (between, (1, 3), 1), (c, (3, 1), 1), (c, 3, 5)],
    ]


def _branch(channels: int, layers: list[_Layer]) -> nn.Sequential:
    blocks = []
    for i, (width, kernel_size, dilation) in enumerate(layers):
        activation = None if i == len(layers) - 1 else nn.ReLU()
        blocks.append(
            ConvBN(channels, width, kernel_size, dilation=dilation, activation=activation)
        )
        channels = width
    return nn.Sequential(*blocks)
