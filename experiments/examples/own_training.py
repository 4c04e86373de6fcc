"""Your own training function: a network counts the spots in a noisy image.

`own_training.yaml` names it as `evaluate: own_training.py:train`. Budget, sampler, executors,
ledger, front, explain and confirm work as with plugnas' own training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.nas.executors.function import Context

SIDE, IMAGES, MOST = 32, 256, 5


def train(network: nn.Module, context: Context) -> dict[str, float]:
    """Train for `context.budget` epochs; return the mean error of the count."""
    x, count = spots(IMAGES, seed=0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for epoch in range(1, context.budget + 1):
        network.train()
        losses = []
        for rows in torch.randperm(IMAGES).split(16):
            found = network(x[rows].to(context.device))[:, 0]
            loss = nn.functional.smooth_l1_loss(found, count[rows].to(context.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        context.report(epoch, train_loss=torch.stack(losses).mean())
    x, count = spots(IMAGES, seed=2 if context.final else 1)  # test images, or validation images
    network.eval()
    with torch.inference_mode():
        found = network(x.to(context.device))[:, 0].cpu()
    return {"error": float((found - count).abs().mean())}


def spots(images: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, SIDE, SIDE) and how many spots each has, 0 to MOST, as floats (N,)."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.randint(0, MOST + 1, (images,), generator=generator)
    place = torch.rand(images, MOST, 2, generator=generator) * SIDE
    axis = torch.arange(SIDE) + 0.5
    down, right = (((axis - place[:, :, i, None]) / 2) ** 2 for i in (0, 1))  # (N, MOST, SIDE)
    each = torch.exp(-down[..., :, None] - right[..., None, :])
    there = torch.arange(MOST) < count[:, None]
    picture = (each * there[:, :, None, None]).sum(1, keepdim=True)
    return picture + 0.1 * torch.randn(picture.shape, generator=generator), count.float()
