"""What of a network learns by a recipe, how fast, and from where on it is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.data import Dataset
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.proxy.cut import cut
from plugnas.nas.proxy.features import Features, features_of
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.proxy.sgd import FusedSGD
from plugnas.space.host.own import fresh_modules, host_in_eval, own_parameters


def optimiser_of(network: nn.Module, recipe: Recipe) -> FusedSGD:
    """Return the optimiser; what the recipe freezes needs no gradient from here on."""
    own = own_parameters(network) if recipe.tells_host_apart else []
    if recipe.freeze is not None:
        for parameter in own:
            parameter.requires_grad_(requires_grad=False)  # type: ignore[call-arg]
    parameters = list(network.parameters())
    return FusedSGD(parameters, recipe.momentum, recipe.weight_decay, slow=own)


def training_mode(network: nn.Module, recipe: Recipe, epoch: int) -> None:
    """Put a network into training mode; the host stays in eval where it does not learn."""
    if recipe.freeze is not None or epoch < recipe.plugs_first:
        host_in_eval(network)
    else:
        network.train()


def source_of(
    network: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    indices: Tensor,
    device: torch.device,
    number: torch.dtype,
) -> tuple[Callable[..., Any], Batches | Features]:
    """Return what computes the network's output and from which batches.

    A frozen host is computed once up to the first place where something learns; where it cannot be
    cut there, the network is computed whole, without gradients of the host.

    Args:
        network: on its device.
        recipe: says whether the host is frozen.
        dataset: the images, on the same device.
        indices: those that will be used.
        device: where it is trained.
        number: the precision of the training.
    """
    batches = Batches(dataset, recipe, device)
    if recipe.freeze is None:
        return network, batches

    def precision(_: object) -> contextlib.AbstractContextManager[Any]:
        if number is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(device.type, number)

    network.eval()
    halves = cut(network, list(fresh_modules(network)), batches.plain(indices[:3])[0])
    if halves is None:
        return network, batches
    stored = features_of(
        halves.before,
        batches,
        indices,
        f"{dataset.fingerprint}|{recipe.resolution}|{number}",
        precision,
    )
    if stored is None:
        return network, batches
    return (lambda features: halves.after(*features)), stored


__all__ = ["optimiser_of", "source_of", "training_mode"]
