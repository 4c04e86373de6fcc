"""Costs that are exact before training: params, MACs, elementwise operations, activation memory.

Names are imported when first used, for counting needs torch and reading what was counted does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugnas.nas.cost.by_part import breakdown, breakdown_text
    from plugnas.nas.cost.counter import Counts, count
    from plugnas.nas.cost.errors import CostError, UncountedOperatorError
    from plugnas.nas.cost.function import FunctionCost
    from plugnas.nas.cost.model import CostModel
    from plugnas.nas.cost.network import NetworkCost, PartCost
    from plugnas.nas.cost.rules import Work, rule
    from plugnas.nas.cost.table import CostTable

__all__ = [
    "CostError",
    "CostModel",
    "CostTable",
    "Counts",
    "FunctionCost",
    "NetworkCost",
    "PartCost",
    "UncountedOperatorError",
    "Work",
    "breakdown",
    "breakdown_text",
    "count",
    "rule",
]

_HOMES = {
    "CostError": "errors",
    "CostModel": "model",
    "CostTable": "table",
    "Counts": "counter",
    "FunctionCost": "function",
    "NetworkCost": "network",
    "PartCost": "network",
    "UncountedOperatorError": "errors",
    "Work": "rules",
    "breakdown": "by_part",
    "breakdown_text": "by_part",
    "count": "counter",
    "rule": "rules",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'plugnas.nas.cost' has no attribute {name!r}")
    found = getattr(import_module(f"plugnas.nas.cost.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
