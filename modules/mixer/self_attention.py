"""Multi-head scaled dot-product attention, and its form without query, key, value projections."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._entry import Setting
from plugnas.modules._parts import common_divisor, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._slots import Site


def multi_head(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    *,
    mask: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attend in ``heads`` equal slices of the features and lay the results side by side.

    Args:
        q: queries, (B, N, h d). k: keys, (B, M, h d). v: values, (B, M, h e).
        heads: h.
        mask: broadcast to (B, h, N, M): True where a token may look, or numbers that are added to
            the logits; every token needs one place to look at.
        dropout: probability with which a share of the attention is dropped.

    Returns:
        (B, N, h e).
    """
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    return y.transpose(1, 2).flatten(2)


def same_head_channels(site: Site, setting: Setting) -> Setting:
    """``same`` where ``head_channels`` 0 means C // heads: that width is written as 0."""
    share = hidden_width(site.channels, int(str(setting["heads"])))
    return {"head_channels": 0} if setting["head_channels"] == share else {}


@register(
    "self_attention",
    slot="mixer",
    family="self_attention",
    name="Multi-head scaled dot-product attention",
    year=2017,
    paper="arXiv:1706.03762",
    choices={"heads": (1, 2, 4, 8), "head_channels": (0, 16, 32, 64)},
    same=same_head_channels,
    aliases=(
        "Attention",
        "MultiHeadAttention",
        "ScaledDotProductAttention",
        "MHSA",
        "Transformer",
    ),
    origin="github.com/tensorflow/tensor2tensor, Apache-2.0",
)
class SelfAttention(nn.Module):
    """Mixes tokens by scaled dot-product attention in several projected heads.

    Per head q = Wq x, k = Wk x, v = Wv x and softmax(q k^T / sqrt(d)) v over the keys; the heads
    are joined and projected back. (B, N, C) -> the same. ``keys`` and ``values``, both (B, M, C),
    may differ from x; values default to the keys; ``mask`` as in ``multi_head``. A head has
    ``head_channels`` features, or its share max(1, C // heads) where that is 0; the paper's size is
    8 heads of 64. The bare form without any weights is
    ``torch.nn.functional.scaled_dot_product_attention`` itself.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/SelfAttention.py): Wk has no bias, as it adds one number to all logits of a row
    and the softmax cancels it; torch's initialisation in place of a deviation of 0.001.

    Args:
        channels: C, features of a token.
        heads: attention heads, any number.
        head_channels: d, features of q and of k in a head; 0: C // heads, at least 1.
        value_channels: features of v in a head; those of q if None.
        dropout: probability with which a share of the attention is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 8,
        head_channels: int = 0,
        value_channels: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        head_channels = head_channels or hidden_width(channels, heads)
        value_channels = head_channels if value_channels is None else value_channels
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(channels, heads * head_channels)
        self.key = nn.Linear(channels, heads * head_channels, bias=False)
        self.value = nn.Linear(channels, heads * value_channels)
        self.project = nn.Linear(heads * value_channels, channels)

    def forward(
        self,
        x: Tensor,
        keys: Tensor | None = None,
        values: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        keys = x if keys is None else keys
        values = keys if values is None else values
        dropout = self.dropout if self.training else 0.0
        q, k, v = self.query(x), self.key(keys), self.value(values)
        return self.project(multi_head(q, k, v, self.heads, mask=mask, dropout=dropout))


@register(
    "simplified_self_attention",
    slot="mixer",
    family="self_attention",
    name="Multi-head self-attention without query, key, value projections",
    choices={"heads": (1, 2, 4, 8)},
    aliases=(
        "MultiHeadSimplifiedSelfAttention",
        "SimplifiedScaledDotProductAttention",
    ),
    no_origin="no paper defines it; it is known from xmu-xiaoma666/External-Attention-pytorch",
)
class SimplifiedSelfAttention(nn.Module):
    """Mixes tokens by attention between slices of the tokens themselves, then projects.

    The C features are cut into h heads of d = C / h; per head softmax(x x^T / sqrt(d)) x, joined
    and passed through one linear map with bias. (B, N, C) -> the same. ``keys`` and ``values``,
    both (B, M, C), may differ from x; ``mask`` as in ``multi_head``.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/SimplifiedSelfAttention.py): where h does not divide C, the largest divisor
    below it is taken; torch's initialisation in place of a deviation of 0.001.
    """

    def __init__(self, channels: int, *, heads: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = common_divisor(heads, channels), dropout
        self.project = nn.Linear(channels, channels)

    def forward(
        self,
        x: Tensor,
        keys: Tensor | None = None,
        values: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        keys = x if keys is None else keys
        values = keys if values is None else values
        dropout = self.dropout if self.training else 0.0
        return self.project(multi_head(x, keys, values, self.heads, mask=mask, dropout=dropout))
