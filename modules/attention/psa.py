"""Pyramid squeeze attention of EPSANet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d, hidden_width, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_FORMS = ("paper", "circulating")


def _hidden(site: Site, setting: Setting) -> int:
    return hidden_width(_parts(site.channels, setting["branches"])[1], setting["reduction"])


def _parts(channels: int, branches: int) -> tuple[int, int]:
    """Number of branches and their width: C in equal parts, rounded up if C has no divisor."""
    count = common_divisor(branches, channels)
    if count > 1:
        return count, channels // count
    width = -(-channels // min(branches, channels))
    return -(-channels // width), width


class _Weight(nn.Module):
    """The squeeze-and-excitation weight of a map, (B, C, H, W) -> (B, C)."""

    def __init__(self, channels: int, reduction: int, *, bias: bool) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(channels, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.excite(F.relu(self.squeeze(x.mean((2, 3))))).sigmoid()


@register(
    "psa",
    slot="attention",
    family="multi_scale",
    name="Pyramid squeeze attention",
    year=2021,
    paper="arXiv:2105.14447",
    origin="github.com/murufeng/EPSANet, MIT",
    choices={
        "reduction": (4, 8, 16),
        "branches": (2, 4),
        "form": _FORMS,
    },
    same={
        "branches": lambda site, s: _parts(site.channels, s["branches"]),
        "reduction": _hidden,
    },
    aliases=(
        "EPSANet",
        "PyramidSqueezeAttention",
        "PSAModule",
    ),
)
class PyramidSqueezeAttention(nn.Module):
    """Convolves with several kernel sizes, C / S channels each, weighed by a softmax over scales.

    Branch i of S: kernel 3 + 2i. ``paper``: F_i = grouped conv C -> C / S of the whole x (groups
    1, 4, 8, 16), and one squeeze-and-excitation for all branches; ``circulating``
    (xmu-xiaoma666/External-Attention-pytorch, model/attention/PSA.py): F_i = conv of the i-th chunk
    of x, C / S -> C / S, and one without bias for each. Z_i = the sigmoid weight of F_i; A =
    softmax of Z over i, per channel; y = [A_1 F_1, ..., A_S F_S].
    (B, C, H, W) -> the same.

    The branches are joined in the order of their kernels (the authors' code, models/epsanet.py,
    puts the widest first, which renames channels); S and the groups fall to divisors of the width;
    where that leaves no S, widths are rounded up: missing channels are read as zeros, and surplus
    ones are cut.

    Args:
        channels: C, channels of the map.
        reduction: a squeeze narrows its branch to C / S // reduction channels, at least 1.
        branches: S, kernel sizes, a limit: it falls to what the width allows.
        form: ``paper`` or ``circulating``, see above.
    """

    def __init__(
        self, channels: int, *, reduction: int = 16, branches: int = 4, form: str = "paper"
    ) -> None:
        super().__init__()
        count, width = _parts(channels, branches)
        paper = one_of("form", form, _FORMS) == "paper"
        self.chunked = not paper
        self.convs = nn.ModuleList(
            conv2d(
                channels if paper else width,
                width,
                3 + 2 * i,
                groups=common_divisor(2 ** (i + 1), channels, width) if paper and i else 1,
                bias=not paper,
            )
            for i in range(count)
        )
        self.weights = nn.ModuleList(
            _Weight(width, reduction, bias=paper) for _ in range(1 if paper else count)
        )

    def forward(self, x: Tensor) -> Tensor:
        count, channels = len(self.convs), x.shape[1]
        sources = self._chunks(x) if self.chunked else [x] * count
        maps = [conv(source) for conv, source in zip(self.convs, sources, strict=True)]
        weights = list(self.weights) * (count // len(self.weights))
        logits = torch.stack([w(f) for w, f in zip(weights, maps, strict=True)], dim=1)
        scales = logits.softmax(1)  # (B, S, C / S)
        return (torch.cat(maps, dim=1) * scales.flatten(1)[:, :, None, None])[:, :channels]

    def _chunks(self, x: Tensor) -> tuple[Tensor, ...]:
        """The part of x that each branch reads, zeros where the channels end."""
        count = len(self.convs)
        missing = -x.shape[1] % count
        return (F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x).chunk(count, dim=1)
