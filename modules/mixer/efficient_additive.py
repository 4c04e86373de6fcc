"""Efficient additive attention (SwiftFormer)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "efficient_additive",
    slot="mixer",
    family="additive_attention",
    name="Efficient additive attention (SwiftFormer)",
    year=2023,
    paper="arXiv:2303.15446",
    choices={"expansion": (0.5, 1.0, 2.0)},
    aliases=(
        "SwiftFormer",
        "EfficientAdditiveAttnetion",
        "EfficientAdditiveAttention",
    ),
    origin="github.com/Amshaker/SwiftFormer, Apache-2.0",
)
class EfficientAdditive(nn.Module):
    """Sums all queries into one, weighted by a learned vector, and multiplies the keys by it.

    q and k: linear maps of x to t features, each token normalised to length 1. a = q w, normalised
    to length 1 over the N tokens; g = sum of a_n q_n. y = W2 (W1 (g * k) + q), W1 t -> t and
    W2 t -> C. Cost is linear in N. (B, N, C) -> the same. t = ``expansion`` C.

    Departs from the authors' code (models/swiftformer.py): W2 leads back to C whatever t is; the
    factor 1 / sqrt(t) of the logits is left out, because the normalisation over the tokens removes
    it. That normalisation is the authors' code's; the paper's text does not show it.
    """

    def __init__(self, channels: int, *, expansion: float = 1.0) -> None:
        super().__init__()
        width = max(1, int(channels * expansion))
        self.query = nn.Linear(channels, width)
        self.key = nn.Linear(channels, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.gated = nn.Linear(width, width)
        self.project = nn.Linear(width, channels)
        nn.init.normal_(self.score.weight)

    def forward(self, x: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        q, k = F.normalize(self.query(x), dim=2), F.normalize(self.key(x), dim=2)
        weights = F.normalize(self.score(q), dim=1)  # (B, N, 1)
        summary = weights.transpose(1, 2) @ q  # (B, 1, t)
        return self.project(self.gated(summary * k) + q)
