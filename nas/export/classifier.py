"""A network together with what turns an image file's pixels into its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Answer(nn.Module):
    """Takes the answer, ``out``, of a network that returns a dict: (B, C, H, W) -> a tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)["out"]


class Classifier(nn.Module):
    """Takes images as bytes, uint8 (B, H, W, C), and returns probabilities of the classes.

    x = (image / 255 - mean) / std per channel, as (B, C, H, W); y = softmax(network(x)).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = (images / 255 - self.mean) / self.std
        return self.network(x.permute(0, 3, 1, 2)).softmax(1)
