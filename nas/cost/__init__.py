"""Costs that are exact before training: params, MACs, elementwise operations, activation memory."""

from nas.cost.breakdown import breakdown, breakdown_text
from nas.cost.counter import Counts, count
from nas.cost.errors import CostError, UncountedOperatorError
from nas.cost.function import FunctionCost
from nas.cost.model import CostModel
from nas.cost.network import NetworkCost, PartCost
from nas.cost.rules import Work, rule
from nas.cost.table import CostTable

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
