"""The export of a plugged host: its own constructor, its own keys, and the plugs beside them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from plugnas.nas.cli import main
from plugnas.nas.export import ExportError, Options, deliver, load, looks
from plugnas.nas.export.hosted import hosted
from plugnas.nas.report.data import gather
from plugnas.nas.run.view import open_run
from plugnas.space import SearchSpace
from tests.nas.export import subjects

HOST_FILE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, num_classes: int = 10, width: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=True)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = y + self.conv2(y)
        return self.fc(y.mean((2, 3)))
"""
SITES = [
    {"after": "conv2", "slot": "attention", "choices": ["none", "se", "cbam"]},
    {"replace": "conv1", "slot": "operator", "choices": ["keep", "do_conv"]},
    {"replace": "relu", "slot": "activation", "choices": ["keep", "swish"]},
]
PLUGS = {
    "after.conv2.attention": "se",
    "replace.conv1.operator": "do_conv",
    "replace.relu.activation": "swish",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.py").write_text(HOST_FILE)
    return tmp_path


def member(space, plugs):
    values = {}
    for p in space.parameters:
        if p.parent is None or values.get(p.parent) in p.when:
            values[p.name] = plugs.get(p.name, p.choices[0])
    return space.architecture(values)


def subject_of(folder, sites, plugs, start="identity"):
    config = {"host": {"model": "small.py:Small"}, "sites": sites, "start": start}
    space = SearchSpace.from_config(config, (1, 8, 8), 10, base=folder)
    return plugged(space, member(space, plugs))


def plugged(space, architecture):
    torch.manual_seed(0)
    return replace(
        subjects.subject(), values=architecture.values, id=architecture.id,
        network=subjects.alive(space.build(architecture)), host=hosted(space, architecture),
    )  # fmt: skip


def imported(path):
    spec = importlib.util.spec_from_file_location("exported_host", path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("start", ["identity", "plain"])
def test_every_kind_of_plug_is_exported_checked_and_can_be_trained_on(folder, start):
    found = subject_of(folder, SITES, PLUGS, start=start)
    to = folder / "out"
    formats = ("source",) if start == "plain" else None  # graphs once: they take seconds
    done = deliver(found, to, Options(formats, measure=False))
    graphs = {"model.pt2", "model.onnx"} if formats is None else set()
    assert {"model.py", "train.py", "small.py", *graphs} <= set(done.files)
    state = safetensors.torch.load_file(to / "model.safetensors")
    assert {"conv2.weight", "bn1.running_mean", "fc.bias"} <= set(state)
    assert any(k.startswith("plugs.conv2-attention.") for k in state)
    assert any(k.startswith("conv1.plug.") for k in state)
    module = imported(to)
    network = module.load(deploy=False)
    x = found.normalised(found.images)
    with torch.no_grad():
        torch.testing.assert_close(network(x), found.network(x))
        torch.testing.assert_close(module.load()(x), found.network(x), rtol=1e-4, atol=1e-5)
    network.train()(x).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    readme = (to / "README.md").read_text()
    assert "| after `conv2` | se" in readme
    assert "Training further" in readme
    assert "small.py, both beside this file" in (to / "model.py").read_text()
    assert "model.trained()" in (to / "train.py").read_text()


def test_the_picture_of_where_plugs_look(folder):
    subject = subject_of(folder, SITES, PLUGS)
    with torch.no_grad():
        subject.network.plugs["conv2-attention"].gate.fill_(0.5)
    file = looks.write(subject, folder / "looks" / "a.png")
    with Image.open(file) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (30 + 4 * 116, 2 * 116, 3)  # the image and one plug, four rows
    maps = pixels[30:, 116:228].reshape(4, 116, 112, 3)[:, :112]
    assert (maps.max((1, 2, 3)) > 240).all() and (maps.min((1, 2, 3)) < 128).all()


def test_the_host_itself_can_be_exported(folder):
    found = subject_of(folder, SITES, {})
    assert looks.write(found, folder / "a.png") is None
    deliver(found, folder / "out", Options(("source",), measure=False))
    assert "this is the host itself" in (folder / "out/README.md").read_text()
    assert set(found.network.state_dict()) == set(
        safetensors.torch.load_file(folder / "out/model.safetensors")
    )


def test_a_library_s_host_is_built_by_its_own_constructor(folder):
    sites = [{"after": "features.0", "slot": "attention", "choices": ["none", "eca"]}]
    config = {
        "host": {"model": "torchvision.models:mobilenet_v3_small"},
        "sites": sites,
    }
    space = SearchSpace.from_config(config, (3, 32, 32), 7, base=folder)
    base = plugged(space, member(space, {"after.features.0.attention": "eca"}))
    images = base.images.repeat_interleave(4, 1).repeat_interleave(4, 2).expand(-1, -1, -1, 3)
    found = replace(
        base, input_shape=(3, 32, 32), classes=tuple("abcdefg"), images=images.contiguous(),
        mean=(0.3,) * 3, std=(0.4,) * 3,
    )  # fmt: skip
    to = folder / "out"
    deliver(found, to, Options(formats=("source",), measure=False))
    text = (to / "model.py").read_text()
    assert "from torchvision.models import mobilenet_v3_small" in text
    assert 'replace(built, "classifier.3", nn.Linear(1024, 7, bias=True))' in text
    assert "return mobilenet_v3_small(weights=None)" in text


def test_what_the_host_s_file_imports_must_be_installed(folder):
    (folder / "helper.py").write_text("WIDTH = 8\n")
    text = HOST_FILE.replace("import torch\n", "import torch\nimport helper\n", 1)
    (folder / "small.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        found = subject_of(folder, SITES, PLUGS)
        with pytest.raises(ExportError, match=r"only small\.py travels with the export"):
            deliver(found, folder / "out", Options(formats=("source",), measure=False))
    assert not (folder / "out").exists()


def test_plugnas_runs_no_code_out_of_an_export(folder):
    found = subject_of(folder, SITES, PLUGS)
    deliver(found, folder / "out", Options(formats=("safetensors",), measure=False))
    with pytest.raises(ExportError, match="from model import load"):
        load(folder / "out")


def test_a_run_s_pick_and_a_host_that_has_changed(folder, monkeypatch, capsys):
    monkeypatch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
    job = {
        "space": {"host": {"model": "small.py:Small"}, "sites": SITES[:1]},
        "trials": 2, "executor": "serial", "sampler": "random",
        "proxy": {"rungs": [{"epochs": 1, "images": 64, "validation_images": 50}]},
    }  # fmt: skip
    (folder / "job.yaml").write_text(json.dumps(job))
    run = folder / "run"
    assert main(["search", str(folder / "job.yaml"), "--run-dir", str(run)]) == 0
    to = folder / "picked"
    command = ["export", str(run), "--pick", "best", "--to", str(to), "--format", "source"]
    assert main(command) == 0
    assert imported(to).load()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    view = open_run(run)
    for m in view.members:  # the host unchanged, and one with a plug
        looked = view.run.looks(m.id)
        if m.architecture["after.conv2.attention"] == "none":
            looked.unlink(missing_ok=True)
        else:
            looks.write(subject_of(folder, SITES, PLUGS), looked)
    shown = {n["id"]: n.get("looks", "") for n in gather(view)["networks"]}
    unchanged = view.controls[0].id
    assert shown.pop(unchanged) == "" and shown
    assert all(text.startswith("data:image/png;base64,") for text in shown.values())
    (folder / "job.yaml").unlink()
    job_file = run / "job.yaml"
    job_file.write_text(job_file.read_text().replace("arguments: {}", "arguments: {width: 16}"))
    capsys.readouterr()
    assert main([*command[:4], "--to", str(folder / "other")]) == 2
    assert "changed since" in capsys.readouterr().err
