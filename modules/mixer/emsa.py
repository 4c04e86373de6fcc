"""Efficient multi-head self-attention (ResT)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, hidden_width
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _heads(site: Site, setting: Setting) -> int | None:
    """Where one key is left and the heads do not mix, their number does not matter."""
    s = setting["spatial_reduction"]
    one = -(-site.height // s) * -(-site.width // s) == 1
    return None if one and not setting["mix_heads"] else setting["heads"]


@register(
    "emsa",
    slot="mixer",
    family="self_attention",
    name="Efficient multi-head self-attention (ResT)",
    year=2021,
    paper="arXiv:2105.13677",
    choices={
        "heads": (2, 4, 8),
        "spatial_reduction": (1, 2, 4),
        "mix_heads": (True, False),
    },
    same={"heads": _heads},
    aliases=("ResT",),
    origin="github.com/wofmanaf/ResT, Apache-2.0",
)
class EMSA(nn.Module):
    """Attends to keys and values of a coarser map, and mixes the logits of the heads.

    q = Wq x from the tokens; with s = ``spatial_reduction`` > 1, k and v come from
    LayerNorm(depthwise convolution of x, kernel s + 1, stride s), else from x. Per head
    A = q k^T / sqrt(d). ``mix_heads`` (of more than one): a 1x1 convolution across the heads, then
    softmax over the keys, then instance norm of each head's matrix; else softmax alone. A v is
    joined and projected. Tokens (B, H W, C) with ``size=(H, W)`` -> the same. Heads are
    ``head_channels`` wide, C // heads where it is None.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/EMSA.py): H and W come with the call; keys and the mix of the heads have no
    bias, which the softmax would cancel.

    Args:
        channels: C, features of a token.
        heads: attention heads, any number.
        head_channels: d, features of a head; C // heads, at least 1, if None.
        spatial_reduction: s, by which keys and values are coarser; 1: not at all.
        mix_heads: whether the logits of the heads are mixed.
        dropout: probability with which a share of the attention is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 8,
        head_channels: int | None = None,
        spatial_reduction: int = 2,
        mix_heads: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        inner = heads * (hidden_width(channels, heads) if head_channels is None else head_channels)
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(channels, inner)
        self.key = nn.Linear(channels, inner, bias=False)
        self.value = nn.Linear(channels, inner)
        self.project = nn.Linear(inner, channels)
        self.mix = conv2d(heads, heads) if mix_heads and heads > 1 else None
        self.coarsen: nn.Conv2d | None = None
        if spatial_reduction > 1:
            self.coarsen = conv2d(
                channels,
                channels,
                spatial_reduction + 1,
                stride=spatial_reduction,
                groups=channels,
                bias=True,
            )
            self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, *, size: tuple[int, int]) -> Tensor:
        source = x
        if self.coarsen is not None:
            coarse = self.coarsen(x.transpose(1, 2).unflatten(2, size))
            source = self.norm(coarse.flatten(2).transpose(1, 2))
        q, k, v = (
            t.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for t in (self.query(x), self.key(source), self.value(source))
        )
        dropout = self.dropout if self.training else 0.0
        if self.mix is None:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        else:
            logits = self.mix(q * q.shape[3] ** -0.5 @ k.transpose(2, 3))  # (B, h, N, M)
            # Instance norm is the layer norm of each head's whole matrix.
            attention = F.layer_norm(logits.softmax(3), logits.shape[2:])
            y = F.dropout(attention, dropout) @ v
        return self.project(y.transpose(1, 2).flatten(2))
