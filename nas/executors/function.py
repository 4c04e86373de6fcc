"""A user's own training function as an evaluator: ``evaluate: train.py:function`` of a job."""

from __future__ import annotations

import inspect
import multiprocessing
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from plugnas import modules
from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.data import Dataset, DataSpec, load
from plugnas.nas.executors.measure import ReadsImages, Training
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.device import resolve_device, seeded
from plugnas.nas.machine.files import write_whole
from plugnas.nas.machine.foreign import find
from plugnas.space import Architecture, network_of
from plugnas.space.training import recipe_at

Function = Callable[[nn.Module, "Context"], Mapping[str, float]]
Build = Callable[[Architecture], nn.Module]


class EvaluateError(PlugnasError):
    """A training function that cannot be called, or that returned no values."""


@dataclass(frozen=True)
class Context:
    """What a training function is told besides the network.

    ``budget`` is how many epochs the ``rung`` (from 0) stands for; ``final`` says that this is the
    long training of a confirmation, to be scored on images that the search never saw. Random
    numbers are seeded by ``seed`` already. ``device`` is torch's text, such as ``cuda:0``; the
    network is there. ``dataset`` are the job's images, None where it names no ``data``. ``recipe``
    has the training settings of the job's ``recipe``, of a list the value that was chosen.
    """

    architecture: Architecture
    seed: int
    rung: int
    budget: int
    device: str
    final: bool = False
    dataset: Dataset | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)

    def report(self, epoch: int, **values: float) -> None:
        """Record what one epoch came to; it becomes the measurement's curve."""
        self.curve.append(
            {"epoch": epoch, **{name: _number(name, value) for name, value in values.items()}}
        )


@dataclass(frozen=True)
class OwnTraining(ReadsImages):
    """The evaluator factory of a job with ``evaluate``: picklable; called once per worker.

    Args:
        function: reference to the function, its file by absolute path.
        objectives: names that the function must return.
        rungs: epochs of each rung, the cheapest first; ``first`` is the number of its first.
        device: torch's text. imports: files and packages that register modules.
        data: the job's images, None where it has none; ``dataset`` are they, once loaded.
        final: whether these are trainings of a confirmation, whose weights go to ``folder`` as
            ``<architecture id>/seed<k>.safetensors``.
        build: makes the network of an architecture: that of a skeleton by its values alone.
        recipe: the job's training settings, a list where the architecture says which.
    """

    function: str
    objectives: tuple[str, ...]
    rungs: tuple[int, ...]
    device: str = "auto"
    imports: tuple[str, ...] = ()
    data: DataSpec | None = None
    final: bool = False
    folder: str | None = None
    first: int = 0
    dataset: Dataset | None = None
    build: Build = network_of
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def last_rung(self) -> OwnTraining:
        """Return the same with its highest rung alone."""
        first = self.first + len(self.rungs) - 1
        return replace(self, rungs=self.rungs[-1:], first=first)

    def carrying_data(self) -> OwnTraining:
        """Return the same with its images inside, for machines that do not see their files."""
        return self if self.data is None else replace(self, dataset=load(self.data))

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        """Import what is needed and return ``evaluate(task)``."""
        _allow_processes()
        modules.load(self.imports)
        function = function_of(self.function)
        dataset = self.dataset
        if dataset is None and self.data is not None:
            dataset = load(self.data)
        own = replace(self, dataset=None)
        return _Evaluate(own, function, resolve_device(self.device), dataset)


@dataclass(frozen=True)
class _Evaluate(Training):
    """``evaluate(task)`` of one worker."""

    own: OwnTraining
    function: Function
    device: torch.device
    dataset: Dataset | None

    @property
    def data(self) -> str | None:
        """The fingerprint of the images."""
        return None if self.dataset is None else self.dataset.fingerprint

    def __call__(self, task: Task) -> dict[str, Any]:
        own = self.own
        with seeded(task.seed, self.device):
            network = own.build(task.architecture).to(self.device)
            context = Context(
                architecture=task.architecture,
                seed=task.seed,
                rung=own.first + task.rung,
                budget=own.rungs[task.rung],
                device=str(self.device),
                final=own.final,
                dataset=self.dataset,
                recipe=recipe_at(own.recipe, task.architecture.values),
            )
            values = self._checked(self._called(network, context))
        extra: dict[str, Any] = {}
        if own.folder is not None:
            place = f"{task.architecture.id}/seed{task.seed}.safetensors"
            _save(network, Path(own.folder) / place)
            extra["weights"] = place
        return {"values": values, "curve": tuple(context.curve), "extra": extra}

    def _called(self, network: nn.Module, context: Context) -> Any:
        """Return what the function returns; ``exit`` within it ends the evaluation alone."""
        name = self.own.function.rpartition("/")[2]
        try:
            return self.function(network, context)
        except SystemExit as stopped:
            raise EvaluateError(f"{name} called exit({stopped.code!r})") from stopped
        except (RuntimeError, AssertionError) as error:  # torch raises both where no GPU is
            if torch.cuda.is_available() or not re.search("CUDA|NVIDIA", str(error)):
                raise
            raise EvaluateError(
                f"{name} asks for a GPU, and torch finds none here; `context.device` is the device "
                f"to take, here {context.device} ({str(error).splitlines()[0]:.80})"
            ) from error

    def _checked(self, returned: Any) -> dict[str, float]:
        wanted = ", ".join(self.own.objectives)
        name = self.own.function.rpartition("/")[2]
        if not isinstance(returned, Mapping):
            what = "nothing" if returned is None else f"{returned!r:.80}"
            raise EvaluateError(f"{name} must return a mapping with {wanted}, but returned {what}")
        for objective in self.own.objectives:
            if objective not in returned:
                had = ", ".join(map(str, returned)) or "an empty mapping"
                raise EvaluateError(
                    f"{name} must return the objectives {wanted}, but returned {had}"
                    f"{did_you_mean(objective, [str(key) for key in returned])}"
                )
        return {str(key): _number(str(key), value) for key, value in returned.items()}


def _allow_processes() -> None:
    """Let a training start processes of its own, such as a data loader's.

    A local worker is a daemon, so that it ends with the driver, and multiprocessing refuses
    children to daemons; it has no public name for the opposite.
    """
    config = getattr(multiprocessing.current_process(), "_config", {})
    config["daemon"] = False


def function_of(reference: str, base: Path | str | None = None) -> Function:
    """Return the training function that a job names.

    Raises:
        EvaluateError: it is none, or does not take two arguments.
        PlugnasError: its file is not there, or fails while it is imported.
    """
    found = find(reference, base)
    try:
        inspect.signature(found).bind(None, None)
    except (TypeError, ValueError):
        raise EvaluateError(
            f"evaluate: {reference} must be a function of two arguments, (network, context), that "
            "returns a mapping such as {'map50': 0.41}"
        ) from None
    function: Function = found
    return function


def _number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError, RuntimeError):  # torch's, for a tensor of several numbers
        pass
    raise EvaluateError(f"the value of {name} must be a number, but is {value!r:.80}")


def _save(network: nn.Module, path: Path) -> None:
    """Write the weights whole or not at all."""
    state = {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
    write_whole(path, lambda file: save_file(state, str(file)))


__all__ = ["Context", "EvaluateError", "OwnTraining", "function_of"]
