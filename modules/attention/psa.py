"""Pyramid squeeze attention of EPSANet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d, hidden_width, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError

_FORMS = ("paper", "circulating")


def _branches(channels: int, branches: int) -> int:
    count = common_divisor(branches, channels)
    if count == 1 and branches > 1:
        raise RefusedError(
            f"psa cuts the width into up to {branches} equal branches, which {channels} channels "
            "do not allow; take an even width"
        )
    return count


def _refuses(site: Site, setting: Setting) -> str | None:
    try:
        _branches(site.channels, int(str(setting["branches"])))
    except RefusedError as error:
        return str(error)
    return None


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
    choices={
        "reduction": (4, 8, 16),
        "branches": (2, 4),
        "form": _FORMS,
    },
    refuses=_refuses,
)
class PyramidSqueezeAttention(nn.Module):
    """Convolves with several kernel sizes, C / S channels each, weighed by a softmax over scales.

    Branch i of S: kernel 3 + 2i. ``paper``: F_i = grouped conv C -> C / S of the whole x (groups
    1, 4, 8, 16), and one squeeze-and-excitation for all branches; ``circulating``: F_i = conv of
    the i-th chunk of x, C / S -> C / S, and one without bias for each. Z_i = the sigmoid weight
    of F_i; A = softmax of Z over i, per channel; y = [A_1 F_1, ..., A_S F_S].
    (B, C, H, W) -> the same.

    Departs from circulating code: the branches are joined, not summed, so C channels come out;
    S and the groups fall to divisors of the width, which only an odd width cannot give.
    """

    def __init__(
        self, channels: int, *, reduction: int = 16, branches: int = 4, form: str = "paper"
    ) -> None:
        super().__init__()
        count = _branches(channels, branches)
        width = channels // count
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
        count = len(self.convs)
        sources = x.chunk(count, dim=1) if self.chunked else [x] * count
        maps = [conv(source) for conv, source in zip(self.convs, sources, strict=True)]
        weights = list(self.weights) * (count // len(self.weights))
        logits = torch.stack([w(f) for w, f in zip(weights, maps, strict=True)], dim=1)
        scales = logits.softmax(1)  # (B, S, C / S)
        return torch.cat(maps, dim=1) * scales.flatten(1)[:, :, None, None]
