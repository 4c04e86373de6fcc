"""Swish, also known as SiLU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "swish",
    slot="activation",
    family="activation",
    name="Swish / SiLU",
    year=2017,
    paper="arXiv:1710.05941",
    choices={"learnable_beta": (False, True)},
    aliases=(
        "silu",
        "MemoryEfficientSwish",
    ),
    origin="github.com/tensorflow/tensorflow, Apache-2.0",
)
class Swish(nn.Module):
    """Multiplies each value by its own sigmoid, with slope beta.

    y = x sigmoid(beta x), elementwise; beta = 1 is SiLU, learnable_beta makes it one scalar that
    is trained from 1.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/Activations.py): the input is never overwritten, and there is no
    hand-written backward, so that second derivatives exist.
    """

    def __init__(self, *, learnable_beta: bool = False) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(())) if learnable_beta else None

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x) if self.beta is None else x * (self.beta * x).sigmoid()
