"""External attention: tokens against two small learned memories."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._registry import register


@register(
    "external_attention",
    slot="mixer",
    family="external_memory",
    name="External attention",
    year=2021,
    paper="arXiv:2105.02358",
    choices={"memory": (8, 16, 32, 64)},
    aliases=(
        "EANet",
        "EAttention",
    ),
    origin="github.com/MenghaoGuo/EANet, NOASSERTION",
)
class ExternalAttention(nn.Module):
    """Attends from every token to a learned memory shared by all samples.

    A = x Mk^T with S memory rows; A is normalised twice, by a softmax over the N tokens and then
    to sum 1 over the S rows; y = A Mv. Cost is linear in N. (B, N, C) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ExternalAttention.py): the second division is guarded against 0. The
    convolutions and the shortcut that the authors put around it on images belong to the block, not
    to the mixer.
    """

    def __init__(self, channels: int, *, memory: int = 64) -> None:
        super().__init__()
        self.key_memory = nn.Linear(channels, memory, bias=False)
        self.value_memory = nn.Linear(memory, channels, bias=False)

    def forward(self, x: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        logits = self.key_memory(x)
        # In half precision the shares of many tokens, and the guard against 0, would be 0.
        precise = torch.promote_types(logits.dtype, torch.float32)
        attention = logits.softmax(1, dtype=precise)  # (B, N, S)
        attention = attention / (attention.sum(2, keepdim=True) + 1e-9)
        return self.value_memory(attention.to(logits.dtype))
