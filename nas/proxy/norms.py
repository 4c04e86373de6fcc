"""Running statistics of batch norms, estimated afresh before a network is scored.

A running average with momentum 0.1 needs some fifty steps to forget its start. After fewer, a
network that trained well is scored with statistics of another network, and its rank is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

IMAGES = 512
"""Training images from which statistics are estimated."""


def trained_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the norms in training mode that keep running statistics (a frozen host's do not)."""
    return [
        m
        for m in network.modules()
        if isinstance(m, _BatchNorm) and m.training and m.running_mean is not None
    ]


@torch.no_grad()
def rows_for_statistics(indices: Tensor) -> Tensor:
    """Return up to ``IMAGES`` of some indices: spread over all of them, then mixed.

    Images lie class by class, so each batch of the result has images of many classes.
    """
    count = min(IMAGES, len(indices))
    spread = torch.linspace(0, len(indices) - 1, count).long()
    mixed = spread[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    return indices[mixed.to(indices.device)]


def estimate_statistics(
    network: nn.Module,
    norms: Iterable[_BatchNorm],
    batches: Iterable[Tensor],
    forward: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Replace the norms' running statistics by the mean over some batches, weights as they are.

    All else of the network is in eval mode meanwhile, so that nothing is drawn at random and
    nothing but those statistics changes.

    Args:
        network: the network; it is left in eval mode.
        norms: its norms whose statistics are estimated.
        batches: images (B, C, H, W), the same number in each as far as possible.
        forward: computes the network on a batch (under autocast, say); by default the network.
    """
    chosen = list(norms)
    network.eval()
    if not chosen:
        return
    momenta = [norm.momentum for norm in chosen]
    for norm in chosen:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    try:
        for x in batches:
            (forward or network)(x)
    finally:
        for norm, momentum in zip(chosen, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
