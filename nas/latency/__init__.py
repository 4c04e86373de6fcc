"""Latency that can be trusted: interleaved, held against anchors, never while training."""

from nas.latency.conditions import Conditions
from nas.latency.errors import BusyMachineError, ForeignTableError, LatencyError
from nas.latency.measure import measure_architectures, measure_networks, measure_table
from nas.latency.provision import provide_table
from nas.latency.report import Figure, LatencyReport
from nas.latency.settings import Settings
from nas.latency.table import LatencyTable

__all__ = [
    "BusyMachineError",
    "Conditions",
    "Figure",
    "ForeignTableError",
    "LatencyError",
    "LatencyReport",
    "LatencyTable",
    "Settings",
    "measure_architectures",
    "measure_networks",
    "measure_table",
    "provide_table",
]
