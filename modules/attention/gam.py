"""Global attention mechanism."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, channel_shuffle, common_divisor, hidden_width
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _groups(channels: int, reduction: int, *, grouped: bool) -> int:
    hidden = hidden_width(channels, reduction)
    return common_divisor(reduction, channels, hidden) if grouped else 1


def _group_count(site: Site, setting: Setting) -> int:
    return _groups(site.channels, setting["reduction"], grouped=setting["grouped"])


def _widths(site: Site, setting: Setting) -> tuple[int, int]:
    return hidden_width(site.channels, setting["reduction"]), _group_count(site, setting)


@register(
    "gam",
    slot="attention",
    family="channel_spatial",
    name="Global attention mechanism",
    year=2021,
    paper="arXiv:2112.05561",
    choices={"reduction": (4, 8, 16), "kernel_size": (3, 7), "grouped": (False, True)},
    same={"grouped": _group_count, "reduction": _widths},
    aliases=(
        "GAM_Attention",
        "GlobalAttentionMechanism",
    ),
    no_origin="no code of the authors was found in November 2026; their account has only NAM",
)
class GlobalAttentionMechanism(nn.Module):
    """Gates every value twice, by a per-pixel MLP and by two wide convolutions, without pooling.

    x' = x sigmoid(W2 relu(W1 x)) with W1: C -> C / reduction, W2 back, at each pixel;
    y = x' sigmoid(BN(conv(relu(BN(conv x'))))) with k x k convolutions C -> C / reduction -> C.
    (B, C, H, W) -> the same. ``grouped``: both convolutions in ``reduction`` groups with a channel
    shuffle between, the paper's variant for wide networks (2 k^2 C^2 / reduction weights
    otherwise); the number of groups falls to a divisor of both widths.

    Departs from circulating code (z1069614715/objectdetection_script, cv-attention/GAM.py): the
    hidden width never falls to 0, no bias before a norm, and the grouped variant is there.

    Args:
        channels: C, channels of the map.
        reduction: both gates narrow to C // reduction channels, at least 1.
        kernel_size: taps per side of the two convolutions, odd.
        grouped: whether they have groups and a shuffle between.
    """

    def __init__(
        self, channels: int, *, reduction: int = 4, kernel_size: int = 7, grouped: bool = False
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.groups = _groups(channels, reduction, grouped=grouped)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        self.narrow = ConvBN(channels, hidden, kernel_size, groups=self.groups)
        self.widen = ConvBN(hidden, channels, kernel_size, groups=self.groups)

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.excite(F.relu(self.squeeze(x))).sigmoid()
        u = channel_shuffle(F.relu(self.narrow(x)), self.groups)
        return x * self.widen(u).sigmoid()
