"""A small problem with a known landscape, on which samplers are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping

from plugnas.nas.cost import FunctionCost
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, Sampler
from plugnas.space import Architecture, SearchSpace

MACRO = {f"layer{i}": ["id", "mb3", "mb6"] for i in range(8)}
GAIN = {"id": 0.0, "mb3": 2.0, "mb6": 3.0}


def flops(architecture: Architecture) -> dict[str, float]:
    """Cost of a chain of layers: 1 each, 2 per expansion step, dearer where earlier."""
    return {
        "flops": sum(
            1.0 + GAIN[str(v)] * (10 - i) for i, v in enumerate(architecture.values.values())
        )
    }


def accuracy(architecture: Architecture) -> float:
    """Saturating accuracy: later layers matter more, and a stem that is skipped hurts."""
    values = list(architecture.values.values())
    power = sum(GAIN[str(v)] * (1 + 0.2 * i) for i, v in enumerate(values))
    return 0.95 - 0.6 * math.exp(-power / 12) - (0.05 if values[0] == "id" else 0.0)


def macro_problem(seed: int = 0, budget: Mapping[str, float] | None = None) -> Problem:
    """Eight layers of three choices: accuracy against FLOPs, 6,561 architectures."""
    space = SearchSpace(MACRO)
    return Problem(
        space,
        {"accuracy": "max", "flops": "min"},
        budget or {},
        FunctionCost(flops, ["flops"], space),
        seed,
    )


def measured(
    number: int, architecture: Architecture, rung: int = 0, **values: float
) -> Measurement:
    """Return a measurement that succeeded, with these values."""
    return Measurement(number, architecture, rung, 0, "ok", values)


def run(sampler: Sampler, count: int, start: int = 0) -> list[Architecture]:
    """Ask and tell ``count`` times; return what was proposed."""
    asked = []
    for number in range(start, start + count):
        architecture = sampler.ask(number)
        asked.append(architecture)
        sampler.tell(measured(number, architecture, accuracy=accuracy(architecture)))
    return asked
