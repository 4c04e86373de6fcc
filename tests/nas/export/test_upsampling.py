"""Upsampling modules as ONNX: they stand in no skeleton, so each is written alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from plugnas import modules
from plugnas.modules import Site
from plugnas.nas.export import onnx_format

ENTRIES = modules.entries("upsampling")


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.key for entry in ENTRIES])
def test_onnx_gives_the_module_s_outputs_at_any_batch(entry, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    smallest = {name: values[0] for name, values in entry.choices.items()}
    module = entry.build(Site(8, 5, 6), smallest).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    batch = torch.export.Dim("batch", min=1, max=64)
    example = (torch.randn(2, 8, 5, 6),)
    exported = torch.export.export(module, example, dynamic_shapes=({0: batch},), strict=False)
    program: Any = SimpleNamespace(exported=exported)
    onnx_format.write(program, tmp_path, preprocessing=False)
    session = runtime.InferenceSession(str(tmp_path / onnx_format.FILE))
    for count in (1, 3):
        x = torch.randn(count, 8, 5, 6)
        (y,) = session.run(None, {"images": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), module(x).detach(), rtol=1e-4, atol=1e-5)
