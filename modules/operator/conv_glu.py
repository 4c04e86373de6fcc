"""Convolutional gated linear unit of TransNeXt, and the gated CNN block of MambaOut."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, drop_path, one_of
from plugnas.modules._registry import register

_FORMS = ("conv_glu", "gated_cnn")


@register(
    "conv_glu",
    slot="operator",
    family="gated",
    name="Convolutional GLU (TransNeXt) and gated CNN block (MambaOut)",
    year=2023,
    paper="arXiv:2311.17132, arXiv:2405.07992",
    choices={"form": _FORMS, "expansion": (2, 4)},
    aliases=("ConvolutionalGLU", "GatedCNN", "GatedCNNBlock", "MambaOut"),
    origin="github.com/DaiShiResearch/TransNeXt, MIT",
)
class ConvGLU(nn.Module):
    """One pointwise map of the input gates another, and a depthwise filter stands in one of them.

    conv_glu: y = W (GELU(D g) * v), [g, v] = pointwise map of x, D depthwise 3x3. gated_cnn:
    y = x + W (GELU(g) * [i, D c]), [g, i, c] = pointwise map of LayerNorm(x), D depthwise 7x7 on
    the last Cin of the h channels of [i, c]; x is added where s = 1 and Cin = Cout, with stochastic
    depth ``drop_path``. Both: h = max(1, int(2/3 ``expansion`` Cin)) channels in g and in the
    other half, so that a layer costs what an MLP of that expansion does; all layers have biases.

    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). Departs from the papers, which keep the
    size: D takes the stride, and what it does not filter is averaged over s x s. ``expansion``: 8
    and 4 in TransNeXt, 4 in MambaOut.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        form: ``conv_glu`` or ``gated_cnn``.
        expansion: of an MLP that costs as much: h = 2/3 expansion Cin.
        drop_path: for ``gated_cnn``: probability with which a sample's branch is left out in
            training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        form: str = "conv_glu",
        expansion: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride, self.drop_path = stride, drop_path
        self.hidden = max(1, 2 * expansion * in_channels // 3)
        block = one_of("form", form, _FORMS) == "gated_cnn"
        self.norm = nn.LayerNorm(in_channels, eps=1e-6) if block else None
        self.expand = nn.Linear(in_channels, 2 * self.hidden)
        self.filtered = min(in_channels, self.hidden) if block else self.hidden
        self.depthwise = conv2d(
            self.filtered, self.filtered, 7 if block else 3, stride=stride, groups=self.filtered,
            bias=True,
        )  # fmt: skip
        self.project = nn.Linear(self.hidden, out_channels)
        self.skip = block and stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        # Channels last and contiguous, which linear layers are quickest on.
        u = x.permute(0, 2, 3, 1).contiguous()
        if self.norm is None:
            gate, value = self.expand(u).chunk(2, dim=3)
            gate, value = self._filter(gate), self._rest(value)
        else:
            u = self.expand(self.norm(u))
            rest, filtered = u.tensor_split([u.shape[3] - self.filtered], dim=3)
            gate, rest = self._rest(rest).tensor_split([self.hidden], dim=3)
            value = torch.cat([rest, self._filter(filtered)], dim=3)
        y = self.project((F.gelu(gate) * value).contiguous()).permute(0, 3, 1, 2)
        return x + drop_path(y, self.drop_path, training=self.training) if self.skip else y

    def _filter(self, x: Tensor) -> Tensor:
        """The depthwise filter of (B, H, W, C)."""
        y: Tensor = self.depthwise(x.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1)

    def _rest(self, x: Tensor) -> Tensor:
        """What is not filtered, (B, H, W, C), at the size of the filter's output."""
        if self.stride == 1:
            return x
        return F.avg_pool2d(x.permute(0, 3, 1, 2), self.stride, ceil_mode=True).permute(0, 2, 3, 1)
