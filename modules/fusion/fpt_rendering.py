"""Rendering transformer of the Feature Pyramid Transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d, one_of, resize_like
from plugnas.modules._registry import register

_FORMS = ("paper", "circulating")
_GATES = {"identity": nn.Identity, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


@register(
    "fpt_rendering",
    slot="fusion",
    family="channel",
    name="Feature Pyramid Transformer: rendering transformer",
    year=2020,
    paper="arXiv:2007.09451",
    choices={"form": _FORMS, "gate": tuple(_GATES)},
    aliases=(
        "RenderTrans",
        "RenderingTransformer",
    ),
    origin="github.com/dongzhang89/FPT, NOASSERTION",
)
class FPTRendering(nn.Module):
    """Weights the channels of the coarse map by the fine one, then adds the fine map's details.

    paper: w = gate(mean over H, W of K x), out = conv3x3(w Q y) + V x, with Q, K pointwise and V
    a 3x3 convolution whose stride brings x to the size of y.
    circulating (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/FPT/rendering_trans.py): w = gate(BN(K mean(x))), out = relu(BN(P y) + w
    BN(conv3x3(y))), where x has an effect only through its mean. The paper's gate is the identity,
    that of the other is relu.
    x (B, C, H, W), y (B, Cy, h, w) -> (B, C, H, W); Cy is y_channels (C if None). No biases.

    Departs from both: the result, which has the size of y, is resampled to that of x; the stride is
    H // h, and what is still too large is resampled; the two widths may differ. The paper's
    pointwise projection before V is part of V, since two linear maps are one.

    Args:
        channels: C, channels of x and of the result.
        form: ``paper`` or ``circulating``, see above.
        gate: ``identity``, ``relu`` or ``sigmoid``.
        y_channels: Cy, channels of the other map; C if None.
    """

    def __init__(
        self,
        channels: int,
        *,
        form: str = "paper",
        gate: str = "identity",
        y_channels: int | None = None,
    ) -> None:
        super().__init__()
        deep = channels if y_channels is None else y_channels
        self.form = one_of("form", form, _FORMS)
        self.gate = _GATES[one_of("gate", gate, _GATES)]()
        self.query: nn.Module
        self.key: nn.Module
        if form == "paper":
            self.query = conv2d(deep, channels)
            self.key = conv2d(channels, channels)
            self.value = conv2d(channels, channels, 3)
            self.mix = conv2d(channels, channels, 3)
        else:
            self.key = nn.Sequential(conv2d(channels, channels), BatchNorm2d(channels))
            self.query = ConvBN(deep, channels, 3)
            self.project = ConvBN(deep, channels)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        weight = self.gate(self.key(x.mean((2, 3), keepdim=True)))  # K is linear: mean first
        query = self.query(y) * weight
        if self.form == "paper":
            rendered = self.mix(query) + resize_like(self._down(x, y), y)
        else:
            rendered = F.relu(self.project(y) + query)
        return resize_like(rendered, x)

    def _down(self, x: Tensor, y: Tensor) -> Tensor:
        stride = tuple(max(1, a // b) for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
        return F.conv2d(x, self.value.weight, stride=stride, padding=1)
