"""How architectures are found and delivered: data, proxy, cost, samplers, executors, report.

Names are imported when first used, so that ``import plugnas.nas`` and ``nas --help`` stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "search": "plugnas.nas.api",
    "RunView": "plugnas.nas.run.view",
    "open": "plugnas.nas.api",
    "Measurement": "plugnas.nas.ledger.measurement",
    "Task": "plugnas.nas.ledger.measurement",
    "HardBudget": "plugnas.nas.cost.hard_budget",
    "prune_if_over": "plugnas.nas.samplers.optuna.pruning",
    "prune_if_seen": "plugnas.nas.samplers.optuna.pruning",
    "Within": "plugnas.nas.samplers.tune.within",
    "load": "plugnas.nas.export.tensors",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
