"""The proxy as an evaluator: from a task to what its training came to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plugnas import modules
from plugnas.nas import tasks
from plugnas.nas.data import Dataset, DataSpec, load, parse
from plugnas.nas.executors.measure import ReadsImages, Training
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.device import (
    give_memory_back,
    keep_memory,
    resolve_device,
    resolve_precision,
    seeded,
)
from plugnas.nas.machine.threads import threads
from plugnas.nas.proxy.auxiliary import own_labels
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.proxy.defaults import default_rungs
from plugnas.nas.proxy.int8 import add_int8
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.nas.proxy.settings import NONE, Settings
from plugnas.nas.proxy.states import StateFile
from plugnas.nas.proxy.training import train
from plugnas.nas.proxy.zero_cost import zero_cost
from plugnas.space import Architecture, network_of
from plugnas.space.host.own import gates_told

Build = Callable[[Architecture], nn.Module]


@dataclass(frozen=True)
class Proxy(ReadsImages):
    """The evaluator factory of a job: picklable; called once per worker.

    ``rungs`` are the recipes from the cheapest to the dearest (empty: those of ``default_rungs``
    for the images). With ``states``, a folder, promoted trainings go on where the lower rung
    stopped, as far as the recipes allow. ``data`` has absolute paths if the worker may start
    elsewhere (``DataSpec.at``). ``imports`` are files and packages that register modules. ``task``
    is the job's, with the path of a file absolute. ``int8`` scores the networks of the highest rung
    quantised too. ``build`` makes the network of an architecture, and is picklable: that of a
    skeleton by its values alone. ``settings`` are what of a recipe is the architecture's own.
    """

    data: DataSpec | Mapping[str, Any] | str
    rungs: tuple[Recipe, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    cpu_threads: int = 1
    states: str | None = None
    cache: str | None = None
    dataset: Dataset | None = None
    imports: tuple[str, ...] = ()
    task: str | Mapping[str, Any] = tasks.DEFAULT
    int8: bool = False
    build: Build = network_of
    settings: Settings = NONE

    def last_rung(self) -> Proxy:
        """Return the same with its highest rung alone."""
        return replace(self, rungs=self.rungs[-1:])

    def carrying_data(self) -> Proxy:
        """Return the same with its images inside, for machines that do not see their files."""
        return replace(self, dataset=load(parse(self.data), cache=self.cache))

    def settled(self) -> Proxy:
        """Return the same with data paths, device and precision decided on this machine.

        What the job imports is imported, so that its modules are known here.
        """
        modules.load(self.imports)
        device = resolve_device(self.device)
        precision = str(resolve_precision(self.precision, device)).removeprefix("torch.")
        return replace(self, data=parse(self.data).at(), device=str(device), precision=precision)

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        """Load the images by memory map and return ``evaluate(task)``."""
        keep_memory()
        proxy = self.settled()
        dataset = proxy.dataset or load(proxy.data, cache=proxy.cache)
        dataset = dataset.on(torch.device(proxy.device))
        task = tasks.create(proxy.task).prepared(dataset)
        rungs = proxy.rungs or default_rungs(dataset)
        for recipe in rungs:
            Batches(dataset, recipe, torch.device("cpu"))  # refuses an impossible resolution
        return _Evaluate(replace(proxy, rungs=rungs), dataset, task)


@dataclass(frozen=True)
class _Evaluate(Training):
    """``evaluate(task)`` of one worker."""

    proxy: Proxy
    dataset: Dataset
    purpose: tasks.Task

    @property
    def data(self) -> str:
        """The fingerprint of the images."""
        return self.dataset.fingerprint

    def __call__(self, task: Task) -> dict[str, Any]:
        if not 0 <= task.rung < len(self.proxy.rungs):
            raise RecipeError(
                f"task {task.number} asks for rung {task.rung} and the proxy has "
                f"{len(self.proxy.rungs)}"
            )
        recipes = self._recipes(task)
        recipe = recipes[task.rung]
        try:
            if recipe.zero_cost is not None:
                return self._score_untrained(task, recipe)
            return self._score_trained(task, recipes)
        finally:
            give_memory_back()

    def _recipes(self, task: Task) -> tuple[Recipe, ...]:
        """Return by which recipes the task's architecture is trained, rung by rung."""
        settings = self.proxy.settings
        return tuple(settings.of(recipe, task.architecture) for recipe in self.proxy.rungs)

    def _score_trained(self, task: Task, recipes: Sequence[Recipe]) -> dict[str, Any]:
        recipe, state = recipes[task.rung], self._state(task, recipes)
        goes_on = any(recipe.begins_like(r) for r in recipes[task.rung + 1 :])
        training = train(
            partial(self.proxy.build, task.architecture),
            self.dataset,
            recipe,
            task=self.purpose,
            seed=task.seed,
            device=self.proxy.device,
            precision=self.proxy.precision,
            cpu_threads=self.proxy.cpu_threads,
            state=state,
            keep_state=goes_on,
        )
        if state is not None and not goes_on:
            state.remove()
        result: dict[str, Any] = {
            "values": training.values,
            "signal": training.signal,
            "curve": training.curve,
            "cpu_seconds": training.cpu_seconds,
            "extra": {
                "epochs_reused": training.epochs_reused,
                **gates_told(training.network),
                "images": training.images,
                **training.details,
            },
        }
        if training.reason is not None:
            result["reason"] = training.reason
        elif self.proxy.int8 and task.rung == len(self.proxy.rungs) - 1:
            add_int8(result, training.network, self.dataset, recipe, self.purpose, task.seed)
        return result

    def _state(self, task: Task, recipes: Sequence[Recipe]) -> StateFile | None:
        """Return where the training's state lies, if some other rung shares its beginning."""
        recipe = recipes[task.rung]
        others = (r for rung, r in enumerate(recipes) if rung != task.rung)
        related = any(r.beginning() == recipe.beginning() for r in others)
        if self.proxy.states is None or not related:
            return None
        text = f"{self.dataset.fingerprint}|{recipe.beginning()}|{self.proxy.precision}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        key = f"{task.architecture.id}-seed{task.seed}-{digest}"
        return StateFile(Path(self.proxy.states), key)

    def _score_untrained(self, task: Task, recipe: Recipe) -> dict[str, Any]:
        start = time.process_time()
        device = torch.device(self.proxy.device)
        with threads(self.proxy.cpu_threads), seeded(task.seed, device):
            network = self.proxy.build(task.architecture).to(device)
            network = network.to(memory_format=torch.channels_last)
            batches = Batches(self.dataset, recipe, device)
            generator = torch.Generator().manual_seed(task.seed)
            indices = self.dataset.train
            x, y = next(batches.epoch(indices, recipe.batch_size, generator))
            labels = own_labels(y)  # a rung without a training mixes no images
            score = zero_cost(str(recipe.zero_cost), network, x, labels, self.purpose.loss)
        return {
            "values": {str(recipe.zero_cost): score},
            "signal": score,
            "cpu_seconds": time.process_time() - start,
        }
