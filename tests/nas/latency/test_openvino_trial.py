"""A graph at which openvino ends the process is found in another process, and named."""

from __future__ import annotations

import os

import pytest
from torch import nn

from plugnas.nas.latency import LatencyError, graph_timers, openvino_trial
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.openvino_trial import first_fatal


def end_at_dead(file, inputs):
    """Stand in for openvino: ends the process at one graph, raises at another."""
    if file == b"dead":
        os._exit(11)
    if file == b"refused":
        raise ValueError("not taken")


def test_the_graph_that_ends_the_process_is_told():
    files = [b"good", b"refused", b"dead", b"good"]
    assert first_fatal(files, [{}] * len(files), end_at_dead) == 2
    assert first_fatal([], [], end_at_dead) is None


def test_its_module_is_refused(monkeypatch):
    monkeypatch.setattr(graph_timers, "graph_files", lambda wanted, _: [b"good", b"dead"])
    monkeypatch.setattr(openvino_trial, "first_fatal", lambda files, fed: files.index(b"dead"))
    wanted = [(nn.ReLU(), [(2, 3, 3)], "good"), (nn.ReLU(), [(2, 3, 3)], "operator pyconv")]
    conditions = Conditions(runtime="openvino", dtype="int8")
    with pytest.raises(LatencyError, match=r"`operator pyconv` .* crashes on its int8 graph\); le"):
        graph_timers.graph_timers(wanted, conditions)
