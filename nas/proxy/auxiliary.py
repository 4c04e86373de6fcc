"""Auxiliary outputs while a network learns: regions of OCR, and what a host returns beside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from plugnas.nas.proxy.mixing import Mixed
from plugnas.nas.tasks import Task
from plugnas.nas.tasks.outputs import answer_of, others_of

DECLARED = "auxiliary"
"""Attribute by which a module names the submodule whose output may be taught the classes."""


@contextlib.contextmanager
def watching(network: nn.Module, task: Task) -> Iterator[list[Tensor]]:
    """Yield the list to which auxiliary maps come while the network computes in training mode.

    Nothing is watched where the task gives them no weight; no hook stays behind.
    """
    taken: list[Tensor] = []
    found = [
        module.get_submodule(getattr(module, DECLARED))
        for module in (network.modules() if task.auxiliary else ())
        if isinstance(getattr(type(module), DECLARED, None), str)
    ]
    handles = [module.register_forward_hook(_taking(taken)) for module in found]
    try:
        yield taken
    finally:
        for handle in handles:
            handle.remove()


def _taking(taken: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: Any, output: Tensor) -> None:
        if module.training:
            taken.append(output)

    return hook


def loss_of(
    task: Task, outputs: Any, taken: list[Tensor], labels: Tensor | Mixed, smoothing: float
) -> Tensor:
    """Return the loss of a batch, its auxiliary outputs by their weight; ``taken`` is emptied.

    Of an auxiliary map with more channels than there are classes the first are taught the classes
    and the others stay free; one with fewer is not taught.

    Args:
        task: has the loss and the weight.
        outputs: what the network returned, in float32.
        taken: auxiliary maps (B, K, h, w) that were watched.
        labels: of the batch; of mixed images the loss is that of both labels, by their shares.
        smoothing: the recipe's label smoothing.
    """
    answer = answer_of(outputs)
    loss = _loss(task, answer, labels, smoothing)
    if task.auxiliary:
        for map_ in (*others_of(outputs), *taken):
            if map_.shape[1] >= answer.shape[1]:
                beside = map_[:, : answer.shape[1]].to(answer.dtype)
                loss = loss + task.auxiliary * _loss(task, beside, labels, smoothing)
    taken.clear()
    return loss


def _loss(task: Task, outputs: Tensor, labels: Tensor | Mixed, smoothing: float) -> Tensor:
    if not isinstance(labels, Mixed):
        return task.loss(outputs, labels, smoothing)
    own, other = (task.loss(outputs, y, smoothing) for y in (labels.own, labels.other))
    return labels.share * own + (1 - labels.share) * other


def own_labels(labels: Tensor | Mixed) -> Tensor:
    """Return the labels of a batch's own images."""
    return labels.own if isinstance(labels, Mixed) else labels


__all__ = ["DECLARED", "loss_of", "own_labels", "watching"]
