"""What a trained network is worth in int8: quantised, and scored on the images of its rung."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.nas.data import Dataset
from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.int8_onnx import quantised
from plugnas.nas.graph.onnx_graph import graphs
from plugnas.nas.proxy.batches import Batches, some
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.tasks import Task
from plugnas.nas.tasks.outputs import answer_of

SUFFIX = "_int8"  # of a metric: that of the quantised network
CALIBRATION = 256  # training images by which ranges are found
_BATCH = 64


class _Answer(nn.Module):
    """A network's one answer, also where a host returns a dict."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return answer_of(self.network(images))


def add_int8(
    result: dict[str, Any],
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    task: Task,
    seed: int,
    part: str = "validation",
) -> None:
    """Add to the result of an evaluation what the network is worth in int8, or why it is not.

    Args:
        result: of the evaluation; its values, CPU seconds and reason are changed.
        network: the trained network; it is left as it is.
        dataset: the images.
        recipe: says the resolution and which images are scored.
        task: the prepared task.
        seed: draws the calibration images.
        part: of the images, that is scored.
    """
    start = time.process_time()
    try:
        found = int8_values(network, dataset, recipe, task, seed, part)
    except ConversionError as error:
        result["reason"] = f"diverged: it has no form in int8 ({error})"
    else:
        result["values"] = {**result["values"], **found}
        result["cpu_seconds"] += time.process_time() - start


def int8_values(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    task: Task,
    seed: int,
    part: str = "validation",
) -> dict[str, float]:
    """Return the task's metrics of the quantised network, such as ``accuracy_int8``.

    Static int8 of the deploy form in onnxruntime, on one thread: weights by channel, ranges of
    activations from ``CALIBRATION`` training images, scored on the validation images of the
    recipe, or on all images of another part.

    Args:
        network: the trained network; it is left as it is.
        dataset: the images.
        recipe: says the resolution and which images are scored.
        task: the prepared task.
        seed: draws the calibration images.
        part: of the images, that is scored.

    Raises:
        ConversionError: an operator has no ONNX form, or cannot be quantised.
    """
    from plugnas.nas.latency.protocol import onnx_session

    network = modules.fuse(network).to("cpu", torch.float32)
    network = _Answer(network).to(memory_format=torch.contiguous_format).eval()
    batches = Batches(dataset.on(torch.device("cpu")), recipe, torch.device("cpu"))
    ranges = some(dataset, ["train"], CALIBRATION, seed)
    count = recipe.validation_images if part == "validation" else None
    scored = some(dataset, [part], count, 0)

    def images(indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in indices.split(_BATCH):
            x, y = batches.plain(chunk.cpu())
            yield x.contiguous(), y

    example = next(images(ranges[:3]))[0]
    (file,) = graphs([network], [[example]])
    samples = [{"x0": x.numpy()} for x, _ in images(ranges)]
    session = onnx_session(quantised(file, samples), 1)
    tallies = (
        task.tally(torch.from_numpy(session.run(None, {"x0": x.numpy()})[0]), y)
        for x, y in images(scored)
    )
    whole = task.score(functools.reduce(task.add, tallies))
    return {name + SUFFIX: whole[name] for name in task.metrics}


def asked(objectives: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the objectives that are metrics of the quantised network."""
    return tuple(n for n in objectives if n.endswith(SUFFIX) and n.removesuffix(SUFFIX) in metrics)


__all__ = ["CALIBRATION", "SUFFIX", "add_int8", "asked", "int8_values"]
