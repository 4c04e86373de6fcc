"""Costs that are exact before training: params, MACs, elementwise operations, activation memory."""

from plugnas.nas.cost.breakdown import breakdown, breakdown_text
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
