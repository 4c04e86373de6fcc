"""int8: static, calibrated, loads without torchao; refused with a reason."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import pytest
import torch

from plugnas.nas.export import ExportError, Options, deliver
from tests.nas.export import subjects

INT8 = Options(formats=("safetensors",), quantize="int8")


@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is an extra")
@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 14),
    reason="torchao is known to find layers in programs of torch 2.14, and none in those of 2.11",
)
@pytest.mark.filterwarnings("ignore")  # torchao's own
def test_int8_is_written_checked_and_measured_beside_float(tmp_path):
    # each of its norms folds into a convolution: torchao takes half a minute where one is left
    found = subjects.subject(
        subjects.values(blocks=1, operator=["depthwise_separable"], attention=["se"])
    )
    made = deliver(found, tmp_path / "out", INT8)  # pt2 comes along: its latency stands beside
    assert "model_int8.pt2" in made.files
    assert set(made.latencies) == {"model.pt2", "model_int8.pt2"}
    text = (tmp_path / "out/README.md").read_text()
    assert "convolutions and linear maps, with ranges found on training images" in text
    assert "on 200 held-out images, where the float model has" in text
    assert "(activations, norms, attention's arithmetic) stay in float32" in text
    assert "with the same class for each (`model_int8.pt2`: of the quantised network" in text


def test_without_torchao_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchao"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ExportError, match=r"pip install 'plugnas\[int8\]'"):
        deliver(subjects.subject(), tmp_path / "out", INT8)
    assert list(tmp_path.iterdir()) == []


def test_the_training_form_and_unknown_kinds_are_refused(tmp_path):
    with pytest.raises(ExportError, match="leave out --keep-training-form"):
        deliver(subjects.subject(), tmp_path / "out", dataclasses.replace(INT8, deploy=False))
    with pytest.raises(ExportError, match="takes int8, not `int4`"):
        deliver(subjects.subject(), tmp_path / "out", dataclasses.replace(INT8, quantize="int4"))
