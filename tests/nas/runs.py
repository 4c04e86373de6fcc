"""Small runs for the tests: a plain space, a table of accuracies, evaluators that misbehave."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from plugnas.nas.executors.measure import ReadsImages
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers import Problem, Sampler, SpaceExhausted
from plugnas.nas.study.plan import about
from plugnas.nas.study.study import Study
from plugnas.space import Architecture, SearchSpace

CHOICES = {f"layer{i}": ["id", "conv", "mb3", "mb6"] for i in range(4)}
SPACE = SearchSpace(CHOICES)


def accuracy(architecture: Architecture) -> float:
    """A number in 0..1 that depends on the architecture alone."""
    return int(hashlib.sha256(architecture.json().encode()).hexdigest()[:6], 16) / 0xFFFFFF


class CountCost:
    """Cost for tests: ``params`` is 100 for every layer that is not the identity."""

    names = ("params",)

    def __init__(self, each: float = 100.0) -> None:
        self.each = each

    def cost(self, architecture: Architecture) -> dict[str, float]:
        return {"params": self.each * sum(v != "id" for v in architecture.values.values())}

    def costs_of(self, architectures: Sequence[Architecture]) -> dict[str, np.ndarray]:
        return {"params": np.array([self.cost(a)["params"] for a in architectures])}


class Draws(Sampler):
    """The random sampler's law in ten lines: draw by (seed, number) until something is unseen."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.seen: set[str] = set()

    def ask(self, number: int) -> Architecture:
        rng = np.random.default_rng((self.problem.seed, number))
        if len(self.seen) >= self.problem.space.size:
            raise SpaceExhausted("all seen")
        while True:
            architecture = self.problem.space.sample(rng)
            if architecture.id not in self.seen:
                self.seen.add(architecture.id)
                return architecture

    def tell(self, measurement: Measurement) -> None:
        self.seen.add(measurement.architecture.id)


def problem(space: SearchSpace = SPACE, *, cost: Any = None, seed: int = 0) -> Problem:
    return Problem(
        space=space,
        objectives={"accuracy": "max", "params": "min"},
        budget={},
        cost=cost or CountCost(),
        seed=seed,
    )


def study(
    path: Path | None = None, *, trials: int = 20, space: SearchSpace = SPACE, **options: Any
) -> Study:
    """A study with the local random sampler, on a ledger at ``path`` if given."""
    asked = problem(space, seed=options.pop("seed", 0))
    ledger = (
        None
        if path is None
        else Ledger.open(path, space, cost=asked.cost, about=about(asked, trials=trials))
    )
    return Study(asked, Draws(asked), ledger, trials=trials, **options)


def found(measurements: Sequence[Measurement]) -> set[tuple[Any, ...]]:
    """The set of successful measurements, by what they say."""
    return {
        (m.number, *m.key, tuple(sorted(m.values.items())), tuple(sorted(m.costs.items())))
        for m in measurements
        if m.ok
    }


@dataclass(frozen=True)
class Table:
    """An evaluator factory: sleeps, then returns the architecture's number.

    ``faults`` maps an architecture's id to what goes wrong with it (``kill``, ``hang``, ``memory``,
    ``raise``, ``nan``, ``exit``); ``once`` is a folder in which a fault leaves a mark, so that it
    strikes one time only; ``log`` collects a line for each evaluation begun: the task's number, or
    with ``ids`` its architecture's id, and the process. ``gate`` is a file with the number of lines
    in the log beyond which evaluations wait.
    """

    seconds: float = 0.0
    faults: Mapping[str, str] | None = None
    once: Path | None = None
    log: Path | None = None
    ids: bool = False
    gate: Path | None = None

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        return self.evaluate

    def evaluate(self, task: Task) -> dict[str, Any]:
        if self.log is not None:
            with self.log.open("a") as log:
                name = task.architecture.id if self.ids else task.number
                log.write(f"{name} {os.getpid()}\n")
            while self.gate is not None and lines_in(self.log) > int(self.gate.read_text()):
                time.sleep(0.005)
        time.sleep(self.seconds)
        fault = (self.faults or {}).get(task.architecture.id)
        if fault is not None and self.strikes(task):
            return misbehave(fault)
        return {"values": {"accuracy": accuracy(task.architecture)}}

    def strikes(self, task: Task) -> bool:
        if self.once is None:
            return True
        mark = self.once / task.architecture.id
        fresh = not mark.exists()
        mark.touch()
        return fresh


def lines_in(file: Path) -> int:
    """The number of lines in a file that may not be there yet."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


def open_gate(gate: Path, lines: int) -> None:
    """Let evaluations pass until the log has so many lines."""
    new = gate.with_name(gate.name + ".new")
    new.write_text(str(lines))
    new.replace(gate)


@dataclass(frozen=True)
class Carried(Table, ReadsImages):
    """An evaluator factory with data; ``pickles`` gets a line whenever the data is pickled."""

    data: bytes = b""
    pickles: Path | None = None

    def carrying_data(self) -> Carried:
        return replace(self, data=b"x" * 1_000_000)

    def __getstate__(self) -> dict[str, Any]:
        if self.data and self.pickles is not None:
            with self.pickles.open("a") as log:
                log.write("pickled\n")
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        if len(self.data) != 1_000_000:
            raise FileNotFoundError("the data did not come along")
        return self.evaluate


def misbehave(fault: str) -> dict[str, Any]:
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "exit":
        os._exit(7)
    if fault == "hang":
        time.sleep(3600)
    if fault == "memory":
        raise MemoryError("no room for 1 EB")
    if fault == "nan":
        return {"values": {"accuracy": float("nan")}}
    raise ValueError("a module that raises")


def sees() -> Callable[[Task], dict[str, Any]]:
    """An evaluator whose accuracy is the GPU that its worker sees; one worker dies once."""

    def evaluate(task: Task) -> dict[str, Any]:
        if task.number == 2 and task.attempt == 0:
            os._exit(1)
        return {"values": {"accuracy": float(os.environ["CUDA_VISIBLE_DEVICES"])}}

    return evaluate


def broken_factory() -> Callable[[Task], dict[str, Any]]:
    """An evaluator factory that cannot make its evaluator."""
    raise FileNotFoundError("no images at /nowhere")
