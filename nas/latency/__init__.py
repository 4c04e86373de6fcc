"""Latency that can be trusted: interleaved, held against anchors, never while training."""

from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import ForeignTableError, LatencyError
from plugnas.nas.latency.measure import measure_architectures, measure_networks, measure_table
from plugnas.nas.latency.provision import provide_table
from plugnas.nas.latency.report import Figure, LatencyReport
from plugnas.nas.latency.settings import Settings
from plugnas.nas.latency.table import LatencyTable
from plugnas.nas.machine.quiet import BusyMachineError

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
