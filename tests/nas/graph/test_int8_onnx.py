"""int8 graphs: what stays in float32, and that runtimes take them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plugnas.nas.graph.onnx_graph import feed, graphs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Branches(nn.Module):
    """Two convolutions side by side and a norm behind both, which fits into neither."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = nn.Conv2d(4, 2, 3, padding=1), nn.Conv2d(4, 2, 5, padding=2)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm(torch.cat([self.small(x), self.large(x)], 1))
        return y


@pytest.fixture(scope="module")
def branches():
    """The module, inputs, and its graph in int8."""
    from plugnas.nas.graph.int8_onnx import quantised

    torch.manual_seed(0)
    module, x = Branches().eval(), torch.randn(3, 4, 6, 6)
    return module, x, quantised(graphs([module], [[x]])[0], [feed([x])])


def test_a_norm_that_fits_into_no_convolution_stays_in_float32(branches):
    graph = onnx.load_from_string(branches[2]).graph
    weights = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    (norm,) = [node for node in graph.node if node.op_type == "BatchNormalization"]
    assert set(norm.input[1:]) <= weights
    assert sum(node.op_type == "DequantizeLinear" for node in graph.node) >= 4


def test_openvino_takes_it(branches):
    pytest.importorskip("openvino")
    from plugnas.nas.latency.openvino_timers import openvino_forward

    module, x, file = branches
    with torch.no_grad():
        expected = module(x)
    found = torch.as_tensor(openvino_forward(file, feed([x]))(feed([x]))[0])
    assert (found - expected).abs().mean() < 0.05 * expected.abs().max()
