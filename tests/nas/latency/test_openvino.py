"""Latency in openvino, and in int8: what is timed computes what the module computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plugnas.nas.graph.onnx_graph import graphs
from plugnas.nas.latency import LatencyError, Settings, measure_networks
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.latency.graph_timers import graph_files
from plugnas.nas.latency.protocol import onnx_session
from plugnas.space import typed

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()


def test_openvino_computes_the_network_at_the_batch_of_its_inputs():
    pytest.importorskip("openvino")
    from plugnas.nas.latency.openvino_timers import openvino_forward

    network, x = _network(), torch.randn(5, 3, 8, 8)
    (file,) = graphs([network], [[x[:3]]])
    forward = openvino_forward(file, {"x0": x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(forward({"x0": x.numpy()})[0], network(x).numpy(), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_whole_networks_are_timed_in_openvino(dtype, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))
    settings = Settings(runtime="openvino", dtype=dtype, rounds=2, limit=9)
    report = measure_networks({"a": _network}, (3, 8, 8), settings)
    assert report.conditions.runtime == "openvino"
    assert report.conditions.runtime_version
    assert report["a"].ms > 0


def test_openvino_in_bfloat16_is_refused_where_the_processor_has_none(monkeypatch):
    pytest.importorskip("openvino")
    from plugnas.nas.latency import openvino_timers

    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino_timers, "_core", Core)
    with pytest.raises(LatencyError, match="no arithmetic in bfloat16"):
        Settings(runtime="openvino", dtype="bfloat16").conditions()


def test_int8_is_quantised_and_close():
    network, x = _network(), torch.randn(3, 3, 8, 8)
    conditions = Settings(runtime="onnxruntime", dtype="int8").conditions()
    (file,) = graph_files([(network, [(3, 8, 8)], "a")], conditions)
    assert b"QuantizeLinear" in file
    found = onnx_session(file, 1).run(None, {"x0": x.numpy()})[0]
    with torch.no_grad():
        expected = network(x).numpy()
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).max()


def test_a_runtime_that_is_not_timed_says_why():
    with pytest.raises(LatencyError, match="`runtime: tensorrt` is not timed: its engines"):
        Settings(runtime="tensorrt").conditions()
    wishes = typed.convert({"runtime": "tensorrt"}, LatencyConfig, "job")
    assert wishes.runtime == "tensorrt"  # so that a search says why, too


def test_int8_in_eager_torch_is_refused():
    with pytest.raises(LatencyError, match="torch is timed in float32 or float16 or bfloat16"):
        Settings(dtype="int8").conditions()
