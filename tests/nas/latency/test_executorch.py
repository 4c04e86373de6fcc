"""Latency in executorch: what is timed computes what the module computes, and threads are kept."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.executorch_program import loaded, need_library, program, use_threads
from plugnas.nas.latency import LatencyError, Settings, measure_networks
from plugnas.nas.latency.graph_timers import refused


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()


@pytest.mark.parametrize("int8", [False, True])
def test_a_program_computes_the_network_at_its_batch(int8):
    pytest.importorskip("executorch")
    network, x = _network(), torch.randn(2, 3, 8, 8)
    file = program(network, [x], [[x]] if int8 else ())
    found = loaded(file)([x])
    with torch.no_grad():
        expected = network(x)
    gap = (found - expected).abs() / expected.abs().max()
    assert gap.max() < (0.1 if int8 else 1e-5)
    assert gap.max() > 1e-4 or not int8  # else nothing was quantised


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_whole_networks_are_timed_in_executorch(dtype, tmp_path, monkeypatch):
    pytest.importorskip("executorch")
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))
    settings = Settings(runtime="executorch", dtype=dtype, batch=2, rounds=2, limit=9)
    report = measure_networks({"a": _network}, (3, 8, 8), settings)
    assert report.conditions.runtime == "executorch"
    assert report.conditions.runtime_version
    assert report["a"].ms > 0


def test_threads_are_those_asked_for():
    pytest.importorskip("executorch")
    use_threads(1)
    from executorch.extension.pybindings import portable_lib

    for threads in (2, 1):
        use_threads(threads)
        assert portable_lib._threadpool_get_thread_count() == threads


def test_bfloat16_is_refused(monkeypatch):
    monkeypatch.setattr("plugnas.nas.latency.conditions.runtime_version", lambda runtime: "1")
    with pytest.raises(LatencyError, match="executorch is timed on cpu.* in float32 or int8"):
        Settings(runtime="executorch", dtype="bfloat16").conditions()


def test_where_it_is_missing_the_error_says_how_to_get_it(monkeypatch):
    for known in [n for n in sys.modules if n.partition(".")[0] == "executorch"]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, "executorch", None)
    with pytest.raises(ConversionError, match=r"pip install 'plugnas\[executorch\]'"):
        need_library()


def test_a_module_that_is_not_taken_is_named():
    text = str(refused("fft", "executorch", RuntimeError("no kernel\nmore")))
    assert text.startswith(
        "`fft` cannot be timed in executorch, which does not take it (no kernel)"
    )
