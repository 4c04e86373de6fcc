"""The global context block of GCNet."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d, hidden_width, one_of
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck

_POOLINGS = ("attention", "average")
_MODES = ("add", "multiply", "both")


@register(
    "global_context",
    slot="attention",
    family="self_attention",
    name="GCNet global context block",
    year=2019,
    paper="arXiv:1904.11492",
    origin="github.com/xvjiarui/GCNet, Apache-2.0",
    choices={
        "reduction": (4, 8, 16),
        "pooling": _POOLINGS,
        "mode": _MODES,
    },
    same={"reduction": bottleneck(minimum=4)},
    aliases=(
        "GCNet",
        "GCBlock",
        "ContextBlock",
        "GlobalContextBlock",
    ),
)
class GlobalContext(nn.Module):
    """Adds to every position one context vector that attention over all positions gathered.

    a = softmax over the positions of a 1x1 convolution of x to one map; ctx = sum of a_n x_n
    (``pooling="average"``: the mean). t = W2 relu(LayerNorm(W1 ctx)), W1 to C // reduction.
    y = x + t (``add``), x * sigmoid(t) (``multiply``), or first the product and then the sum, each
    with its own t (``both``). (B, C, H, W) -> the same. W2 starts at 0.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/GCBlock/gcnet.py): the hidden width is at least 4, because a layer norm of one
    value is constant; the attention map has no bias, which its softmax would cancel.

    Args:
        channels: C, channels of the map.
        reduction: the hidden layer has C // reduction channels, at least 4.
        pooling: ``attention`` or ``average``: how the context is gathered.
        mode: ``add``, ``multiply`` or ``both``: how the context is given back.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        pooling: str = "attention",
        mode: str = "add",
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, minimum=4)
        one_of("pooling", pooling, _POOLINGS)
        one_of("mode", mode, _MODES)
        self.attention = conv2d(channels, 1) if pooling == "attention" else None
        self.multiply = None if mode == "add" else _transform(channels, hidden)
        self.add = None if mode == "multiply" else _transform(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        if self.attention is None:
            context = x.mean((2, 3))  # (B, C)
        else:
            weights = self.attention(x).flatten(2).softmax(2)  # (B, 1, N)
            context = (x.flatten(2) @ weights.transpose(1, 2)).squeeze(2)
        y = x
        if self.multiply is not None:
            y = y * self.multiply(context).sigmoid()[..., None, None]
        if self.add is not None:
            y = y + self.add(context)[..., None, None]
        return y


def _transform(channels: int, hidden: int) -> nn.Sequential:
    last = nn.Linear(hidden, channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), last)
