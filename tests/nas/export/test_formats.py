"""Formats beside the four: what is timed is what is exported; hub, openvino, executorch, litert."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import types
from collections import Counter

import pytest
import torch

from plugnas import modules
from plugnas.nas.export import ExportError, Options, deliver, litert_format
from plugnas.nas.export.formats import formats_of
from plugnas.nas.latency import Settings
from plugnas.nas.latency.graph_timers import graph_files
from tests.nas.export import subjects

ONNX = Options(formats=("onnx",), measure=False, timed="onnxruntime")


def _same_but_for_names(file: bytes):
    """Return what a graph computes, its names by the order in which they appear."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(file)
    names = {"": ""}

    def number(name):
        return names.setdefault(name, f"v{len(names)}")

    weights = {
        i.name: (i.data_type, tuple(i.dims), onnx.numpy_helper.to_array(i).tobytes())
        for i in model.graph.initializer
    }
    for value in model.graph.input:
        number(value.name)
    nodes = []
    for node in model.graph.node:
        entries = [weights.get(name) or number(name) for name in node.input]
        attributes = sorted(onnx.helper.printable_attribute(a) for a in node.attribute)
        nodes.append(
            (node.op_type, node.domain, entries, attributes, list(map(number, node.output)))
        )
    return [(o.domain, o.version) for o in model.opset_import], nodes


def test_the_exported_onnx_is_what_is_timed(tmp_path):
    pytest.importorskip("onnxruntime")
    found = subjects.subject(subjects.values(operator=["mbconv"], attention=["se"]))
    made = deliver(found, tmp_path / "out", ONNX)
    conditions = Settings(runtime="onnxruntime").conditions()
    network = modules.fuse(found.network)
    (timed,) = graph_files([(network, [found.input_shape], found.id)], conditions)
    exported = (made.path / "model.onnx").read_bytes()
    assert _same_but_for_names(exported) == _same_but_for_names(timed)
    text = (made.path / "README.md").read_text()
    assert "The search timed this graph, `model.onnx`, in onnxruntime: sizes fixed" in text
    assert "height and width are fixed" in text


def test_another_opset_or_form_is_not_called_what_was_timed():
    assert ONNX.timed_file == "model.onnx"
    for change in ({"opset": 18}, {"deploy": False}, {"preprocessing": True}, {"timed": None}):
        assert dataclasses.replace(ONNX, **change).timed_file is None


@pytest.mark.parametrize(
    ("timed", "dtype", "file"),
    [
        ("onnxruntime", "int8", "model_int8.onnx"),
        ("openvino", "bfloat16", "model.onnx"),
        ("executorch", "float32", "model.pte"),
        ("executorch", "int8", "model_int8.pte"),
    ],
)
def test_each_runtime_and_dtype_has_the_file_that_was_timed(timed, dtype, file):
    assert Options(timed=timed, timed_dtype=dtype).timed_file == file


def test_the_exported_int8_is_what_is_timed_in_int8(tmp_path):
    pytest.importorskip("onnxruntime")
    found = subjects.subject(subjects.values(blocks=1, attention=["se"]))
    options = dataclasses.replace(ONNX, quantize="int8", timed_dtype="int8")
    made = deliver(found, tmp_path / "out", options)
    assert {"model.onnx", "model_int8.onnx"} <= set(made.files)
    conditions = Settings(runtime="onnxruntime", dtype="int8").conditions()
    network = modules.fuse(found.network)
    (timed,) = graph_files([(network, [found.input_shape], found.id)], conditions)
    exported = (made.path / "model_int8.onnx").read_bytes()
    (_, nodes), (_, expected) = map(_same_but_for_names, (exported, timed))
    assert Counter(node[0] for node in nodes) == Counter(node[0] for node in expected)
    assert "QuantizeLinear" in {node[0] for node in nodes}
    text = (made.path / "README.md").read_text()
    assert "The search timed this graph, `model_int8.onnx`, in onnxruntime: sizes fixed" in text
    assert "(`model_int8.onnx`: of the quantised network, within 0.02)" in text
    assert "InferenceSession('model_int8.onnx')" in text


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    pytest.importorskip("huggingface_hub")
    path = tmp_path_factory.mktemp("hub") / "out"
    found = subjects.subject()
    return found, deliver(found, path, Options(formats=("hub",), measure=False))


def _python(folder, code):
    """Run code in a fresh process that knows the export's folder and no plugnas."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=folder, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_s_folder_is_read_and_written_by_huggingface_hub_and_timm(hub, tmp_path):
    pytest.importorskip("timm")
    found, made = hub
    assert {"config.json", "model.safetensors", "README.md", "hub_model.py", "timm_model.py"} <= {
        *made.files
    }
    x = found.normalised(found.images)
    torch.save(x, tmp_path / "x.pt")
    with torch.no_grad():
        torch.save(found.network(x), tmp_path / "y.pt")
    _python(
        made.path,
        f"""
import sys, torch, timm
from hub_model import Model
import timm_model
x, y = (torch.load({str(tmp_path)!r} + name, weights_only=True) for name in ("/x.pt", "/y.pt"))
model = Model.from_pretrained(".")
assert not model.training
model.save_pretrained({str(tmp_path / "copy")!r})
again = Model.from_pretrained({str(tmp_path / "copy")!r})
other = timm.create_model("local-dir:.", pretrained=True).eval()
for one in (model, again, other):
    with torch.no_grad():
        torch.testing.assert_close(one(x), y, rtol=1e-4, atol=1e-5)
assert other.pretrained_cfg["num_classes"] == 10 if hasattr(other, "pretrained_cfg") else True
assert "plugnas" not in sys.modules
""",
    )
    own, copied = (
        json.loads((p / "config.json").read_text()) for p in (made.path, tmp_path / "copy")
    )
    assert copied["architecture"] == own["architecture"]
    assert own["pretrained_cfg"]["label_names"] == list(found.classes)


def test_the_model_card_says_licence_task_and_how_metrics_were_got(hub):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    _, made = hub
    card = huggingface_hub.ModelCard.load(made.path / "README.md").data.to_dict()
    assert (card["license"], card["pipeline_tag"]) == ("apache-2.0", "image-classification")
    (result,) = card["model-index"][0]["results"]
    (metric,) = result["metrics"]
    assert (metric["type"], metric["value"]) == ("accuracy", 0.9)
    assert metric["name"].startswith("accuracy on validation, weights of seed 0")


def test_openvino_is_written_and_checked(tmp_path):
    pytest.importorskip("openvino")
    made = deliver(subjects.subject(), tmp_path / "out", Options(formats=("openvino",)))
    assert {"model.xml", "model.bin"} <= set(made.files)
    assert set(made.latencies) == {"model.xml"}
    assert "openvino.Core().compile_model('model.xml'" in (made.path / "README.md").read_text()


def test_executorch_is_written_and_checked(tmp_path):
    pytest.importorskip("executorch")
    options = Options(formats=("executorch",), measure=False)
    options = dataclasses.replace(options, quantize="int8")
    made = deliver(subjects.subject(subjects.values(blocks=1)), tmp_path / "out", options)
    assert {"model.pte", "model_int8.pte"} <= set(made.files)
    assert "model_int8.pt2" not in made.files


def test_litert_is_written_and_checked(tmp_path):
    pytest.importorskip("litert_torch")
    made = deliver(
        subjects.subject(subjects.values(blocks=1)), tmp_path / "out", Options(formats=("litert",))
    )
    assert "model.tflite" in made.files
    assert set(made.latencies) == {"model.tflite"}
    assert "Interpreter('model.tflite')" in (made.path / "README.md").read_text()


def test_a_module_without_a_form_in_litert_says_why(tmp_path, monkeypatch):
    converter = types.ModuleType("litert_torch")

    def convert(model, inputs):
        raise RuntimeError("no lowering of aten.qr\nand advice")

    monkeypatch.setattr(converter, "convert", convert, raising=False)
    monkeypatch.setitem(sys.modules, "litert_torch", converter)
    with pytest.raises(ExportError, match="no lowering of aten.qr; leave `litert` out of --format"):
        litert_format.write(torch.nn.ReLU(), torch.zeros(1, 2), tmp_path)


def test_litert_that_is_missing_is_named_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"litert_torch and ai_edge_litert: pip install 'plugnas"):
        formats_of("0123", (), Options(formats=("litert",)))


@pytest.mark.parametrize(
    ("keys", "options", "text"),
    [
        ((), {"formats": ("tensorrt",)}, "--format tensorrt is not written: its engine is built"),
        (("od_conv",), {"formats": ("openvino",)}, "cannot be written as openvino: `od_conv`: "),
        ((), {"formats": ("hub",), "preprocessing": True}, "leave out --with-preprocessing"),
        ((), {"formats": ("openvin",)}, "did you mean `openvino`"),
    ],
)
def test_what_is_not_written_says_why(keys, options, text):
    with pytest.raises(ExportError, match=text):
        formats_of("0123", keys, Options(**options))


@pytest.mark.parametrize("name", ["openvino", "executorch"])
def test_a_library_that_is_missing_is_named_before_anything_is_written(name, monkeypatch):
    for known in [n for n in sys.modules if n.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match=rf"needs {name}.*pip install 'plugnas\["):
        formats_of("0123", (), Options(formats=(name,)))
