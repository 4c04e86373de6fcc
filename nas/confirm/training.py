"""The long training as an evaluator: learns from train + validation images, scores on test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from plugnas.nas import tasks
from plugnas.nas.data import Dataset, load
from plugnas.nas.executors.measure import Training
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.device import keep_memory
from plugnas.nas.machine.files import write_whole
from plugnas.nas.proxy import Proxy, Recipe, train
from plugnas.nas.proxy.int8 import add_int8

LEARN_FROM, SCORE_ON = ("train", "validation"), "test"


@dataclass(frozen=True)
class LongTraining:
    """The evaluator factory of a confirmation: picklable; called once per worker.

    ``proxy`` tells of images, device and precision; ``folder`` is where weights are kept, as
    ``<architecture id>/seed<k>.safetensors``.
    """

    proxy: Proxy
    recipe: Recipe
    folder: str

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        """Load the images and return ``evaluate(task)``."""
        keep_memory()
        proxy = self.proxy.settled()
        dataset = load(proxy.data, cache=proxy.cache).on(torch.device(proxy.device))
        task = tasks.create(proxy.task).prepared(dataset)
        return _Evaluate(proxy, dataset, self.recipe, Path(self.folder), task)


@dataclass(frozen=True)
class _Evaluate(Training):
    """``evaluate(task)`` of one worker."""

    proxy: Proxy
    dataset: Dataset
    recipe: Recipe
    folder: Path
    purpose: tasks.Task

    @property
    def data(self) -> str:
        """The fingerprint of the images."""
        return self.dataset.fingerprint

    def __call__(self, task: Task) -> dict[str, Any]:
        recipe = self.proxy.settings.of(self.recipe, task.architecture)
        training = train(
            partial(self.proxy.build, task.architecture),
            self.dataset,
            recipe,
            task=self.purpose,
            seed=task.seed,
            device=self.proxy.device,
            precision=self.proxy.precision,
            cpu_threads=self.proxy.cpu_threads,
            learn_from=LEARN_FROM,
            score_on=SCORE_ON,
        )
        extra: dict[str, Any] = {
            "loss": training.loss,
            "images": len(self.dataset.test),
            **training.details,
        }
        if training.reason is None:
            path = self.folder / task.architecture.id / f"seed{task.seed}.safetensors"
            _save(training.network, path)
            extra["weights"] = f"{task.architecture.id}/{path.name}"
        main = self.purpose.main
        signal = training.values[main]
        result: dict[str, Any] = {
            "values": training.values,
            "signal": signal if self.purpose.metrics[main] == "max" else -signal,
            "curve": training.curve,
            "cpu_seconds": training.cpu_seconds,
            "extra": extra,
        }
        if training.reason is not None:
            result["reason"] = training.reason
        elif self.proxy.int8:
            args = (self.dataset, recipe, self.purpose, task.seed)
            add_int8(result, training.network, *args, part=SCORE_ON)
        return result


def _save(network: torch.nn.Module, path: Path) -> None:
    """Write the weights whole or not at all."""
    state = {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
    write_whole(path, lambda file: save_file(state, str(file)))
