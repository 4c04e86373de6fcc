"""A user's own data and training, used by `in_optuna.py` and `in_ray_tune.py`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from own_training import IMAGES, spots
from torch import nn

SPACE = {
    "stem": {"width": 8, "stride": 2},
    "stages": [{"width": [8, 16], "stride": 2}, {"width": [16, 32]}],
    "slots": {"attention": ["none", {"se": {"reduction": [4, 8]}}, "eca"]},
}


def error_of(network: nn.Module, epochs: int) -> Iterator[float]:
    """Train a network to count spots; yield the mean error on other images after each epoch."""
    (x, count), (other, there) = spots(IMAGES, seed=0), spots(IMAGES, seed=1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(IMAGES).split(16):
            optimiser.zero_grad()
            nn.functional.smooth_l1_loss(network(x[rows])[:, 0], count[rows]).backward()
            optimiser.step()
        network.eval()
        with torch.inference_mode():
            yield float((network(other)[:, 0] - there).abs().mean())
