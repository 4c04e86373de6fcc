"""Modules as ONNX graphs: each computes what its module computes, or is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.onnx_graph import graphs

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


class Twist(nn.Module):
    """Has no ONNX form."""

    def forward(self, x):
        return torch.linalg.qr(x).Q


def test_modules_exported_together_are_each_themselves():
    torch.manual_seed(0)
    twice = nn.Conv2d(3, 3, 1)  # the same weights in two graphs
    members = [twice, nn.Identity(), Add(), nn.Sequential(twice, nn.ReLU())]
    inputs = [[torch.randn(3, 3, 4, 5) for _ in range(1 + (m is members[2]))] for m in members]
    for member, file, own in zip(members, graphs(members, inputs), inputs, strict=True):
        session = runtime.InferenceSession(file)
        names = [value.name for value in session.get_inputs()]
        assert names == [f"x{i}" for i in range(len(own))]
        for batch in (own, [x[:1] for x in own]):
            found = session.run(None, {n: x.numpy() for n, x in zip(names, batch, strict=True)})
            with torch.no_grad():
                np.testing.assert_allclose(found[0], member(*batch).numpy(), atol=1e-6)


def test_a_module_without_a_form_is_named():
    x = torch.randn(3, 4, 4)
    with pytest.raises(ConversionError, match=r"^1: "):
        graphs([nn.ReLU(), Twist()], [[x], [x]])
