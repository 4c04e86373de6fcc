"""Field cases of what a search hands over: what people met with other tools, rebuilt small.

The source of each stands beside it as `repository#issue`; no code or wording is taken from there.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.nas import data
from tests.nas.export.test_train_reading import SIZE, script

ATTENTIONS = (
    "coord_attention", "cbam", "se", "eca", "triplet", "simam", "window_attention", "polarized",
)  # fmt: skip


def test_16_bits_and_transparency_in_the_exported_script(tmp_path, monkeypatch):
    """Pillow#2574, DIGITS#85: neither white nor black, but what the search saw."""
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 2**16, SIZE, dtype=np.uint16)
    drawn = np.zeros((*SIZE, 4), np.uint8)
    drawn[2, :, 3] = 255
    for folder in ("cat", "dog"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        PIL.Image.fromarray(deep).save(tmp_path / "images" / folder / "deep.png")
        PIL.Image.fromarray(drawn).save(tmp_path / "images" / folder / "drawn.png")
    found = data.load(
        {"source": str(tmp_path / "images"), "colour": "rgb"}, cache=tmp_path / "cache"
    )
    images, labels = script("train.py", monkeypatch).read_folder(
        tmp_path / "images", every_class=True
    )
    assert labels.tolist() == found.labels.tolist()
    assert torch.equal(images, found.images.permute(0, 3, 1, 2))
    assert images[0].float().std() > 40  # the upper bytes of noise
    assert set(images[1].unique().tolist()) == {0, 255}


def test_eight_attentions_on_a_map_of_27_pixels_through_onnx(tmp_path):
    """pytorch#98189, pytorch#75383, CoordAttention#6, vision#2066, HAT#56: equal to the network."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    site = Site(16, 27, 27)
    torch.manual_seed(0)
    network = nn.Sequential(*(modules.get(key).build(site) for key in ATTENTIONS)).eval()
    x = torch.randn(1, 16, 27, 27)
    file = tmp_path / "attentions.onnx"
    torch.onnx.export(network, (x,), file, dynamo=True, verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        expected = network(x).numpy()
    assert np.abs(expected).max() > 0.01
    assert np.allclose(y, expected, rtol=1e-3, atol=1e-4)
