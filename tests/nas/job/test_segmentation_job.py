"""A search for segmentation, from made images to page and export."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml

from plugnas.nas.cost.counter import count
from plugnas.nas.data import DataError
from plugnas.nas.export.delivery import Options
from plugnas.nas.export.run_export import export_members
from plugnas.nas.front.doubt import interval
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.report.data import gather
from plugnas.nas.report.front import modules_of
from plugnas.nas.tasks.pictures import read
from plugnas.space import ConfigError, SearchSpace

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "experiments" / "examples"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    runpy.run_path(str(EXAMPLES / "shapes.py"))["write"](folder, 16, 8, 8)
    return folder


@pytest.fixture(scope="module")
def view(shapes, tmp_path_factory):
    """The example's own job, on fewer images and for fewer trials."""
    folder = tmp_path_factory.mktemp("job")
    data = yaml.safe_load((EXAMPLES / "shapes.yaml").read_text())
    data["data"]["source"] = str(shapes)
    data |= {"trials": 4, "executor": "serial", "sampler": "random"}
    data["proxy"]["rungs"][0] |= {"epochs": 1, "batch_size": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
        found = run_job(parse(data), EXAMPLES, folder / "run")
        yield found


def test_the_quantised_network_answers_for_every_pixel_too(shapes, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    data = yaml.safe_load((EXAMPLES / "shapes.yaml").read_text())
    data["data"]["source"] = str(shapes)
    data |= {"trials": 1, "executor": "serial", "sampler": "random"}
    data["objectives"] = {"miou": "max", "miou_int8": "max", "flops": "min"}
    data["proxy"]["rungs"][0] |= {"epochs": 2, "batch_size": 4}
    (measurement,) = run_job(parse(data), EXAMPLES, tmp_path / "run").measurements
    values = measurement.values
    assert measurement.ok and abs(values["miou_int8"] - values["miou"]) < 0.1
    assert values["pixel_accuracy_int8"] > 0


def test_the_metric_is_miou_everywhere(view):
    assert view.metric.name == "miou" and view.metric.percent
    assert [m.reason for m in view.failures] == [] and len(view.measurements) == 4
    for m in view.measurements:
        assert 0 < m.values["miou"] <= m.values["dice"] <= 1 and 0 < m.values["pixel_accuracy"] <= 1
        assert list(m.extra["class_iou"]) == ["ground", "disc", "square"]
        assert m.extra["images"] == 8 and "train_pixel_accuracy" in m.curve[0]
    member = view.front[-1]
    assert interval(member, view.metric) == pytest.approx(member.intervals["miou"])
    assert "decoder" in modules_of(member)


def test_the_page_has_classes_and_answers(view):
    data = gather(view)
    assert data["metric"]["name"] == "miou"
    shown = data["examples"]
    assert [c["name"] for c in shown["classes"]] == ["ground", "disc", "square"]
    assert len(shown["images"]) == len(shown["truth"]) == 3
    for network in data["networks"]:
        assert set(network["class_iou"]) == {"ground", "disc", "square"}
        assert ("answers" in network) == network["front"]
    assert all(p["source"] for p in data["parts"] if p["position"].startswith("decoder"))
    m = view.measurements[0]
    answers = [read(text) for text in m.extra["answers"]]
    assert {a.shape for a in answers} == {(30, 37)} and max(a.max() for a in answers) <= 2


def test_counted_costs_are_those_of_the_networks(view):
    for member in view.members:
        whole = count(view.space.build(member.architecture), torch.zeros(1, 3, 30, 37))
        assert member.costs["params"] <= whole.params
        assert member.costs["macs"] <= whole.macs * 1.001


def test_the_export_computes_the_same_and_trains_on(
    view, shapes, tmp_path, monkeypatch, caplog, onnx_table
):
    """``deliver`` itself holds each file against the network in a fresh process."""
    to, options = tmp_path / "out", Options(measure=False)
    (delivery,) = export_members(view, [view.front[-1]], to, options)
    assert {"model.pt2", "model.onnx", "model.py", "train.py"} <= set(delivery.files)
    readme = (to / "README.md").read_text()
    assert "gives each pixel one of 3 classes" in readme and "(B, 3, 30, 37)" in readme
    assert re.search(r"\| decoder.level1 \| \S+ \| upsampling: \w+; conv \|", readme)
    assert "classifier: 1x1 to 3, resampled to 30x37" in readme
    assert "## Miou" in readme and "images/ and masks/" in readme
    monkeypatch.syspath_prepend(str(to))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", str(shapes), "--epochs", "1", "--device", "cpu"])
    try:
        with caplog.at_level("INFO", "train"):
            runpy.run_path(str(to / "train.py"), run_name="__main__")
    finally:
        for name in ("model", "pixels"):
            sys.modules.pop(name, None)
    assert "16 images to train on, 16 held out" in caplog.text
    assert re.search(r"held-out miou 0\.\d+", caplog.text)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    built = view.space.build(view.front[-1].architecture)
    built.load_state_dict(weights)
    assert json.loads((to / "architecture.json").read_text())["classes"][1] == "disc"


def test_an_auxiliary_loss_teaches_ocr_its_regions(shapes, tmp_path):
    from plugnas.nas.data import load
    from plugnas.nas.proxy import Recipe, train
    from plugnas.nas.tasks.segmentation import Segmentation

    dataset = load({"source": str(shapes), "masks": "auto"}, cache=tmp_path)
    config = {"stages": [{"width": 8, "stride": 2}], "context": [{"ocr": {"regions": 8}}]}
    space = SearchSpace.from_config(config, dataset.input_shape, 3, head="dense")
    (architecture,) = space.architectures(next(space.enumerate())[:1])
    recipe = Recipe(epochs=6, batch_size=4, learning_rate=0.1)

    def loss_of_regions(weight):
        task = Segmentation(auxiliary=weight)
        found = train(lambda: space.build(architecture), dataset, recipe, task=task)
        context = found.network.get_submodule("context")
        assert not context.region_logits._forward_hooks
        regions = []
        context.region_logits.register_forward_hook(lambda m, a, out: regions.append(out))
        x = (dataset.images[dataset.train] / 255 - dataset.mean) / dataset.std
        with torch.inference_mode():
            found.network(x.permute(0, 3, 1, 2))
        tally = task.tally(regions[0][:, :3], dataset.labels[dataset.train])
        return task.score(tally)["loss"]

    assert loss_of_regions(0.4) < 0.9 * loss_of_regions(0.0)


def test_the_how_to_s_job_is_a_job():
    page = (ROOT / "docs" / "howto" / "segmentation.md").read_text()
    section = page[page.index("## 2.") : page.index("## A network")]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    job = parse(yaml.safe_load("\n".join(lines)))
    assert job.objectives == {"miou": "max", "flops": "min"}
    assert SearchSpace.from_config(job.space, (3, 180, 240), 11, head="dense").size > 1000


def test_the_camvid_job_offers_every_context_module():
    from plugnas import modules

    job = parse(yaml.safe_load((ROOT / "experiments" / "segment_camvid.yaml").read_text()))
    space = SearchSpace.from_config(job.space, (3, 180, 240), 11, head="dense")
    offered = next(p.choices for p in space.parameters if p.name == "context")
    assert set(offered) == {"none"} | {e.key for e in modules.entries() if e.slot == "context"}


def test_a_metric_or_images_of_another_task_are_refused(shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    space = {"stages": [{"width": 8}]}
    job = parse({"data": str(shapes), "task": "segmentation", "space": space,
                 "objectives": {"accuracy": "max"}})  # fmt: skip
    with pytest.raises(ConfigError, match=r"neither a metric of the task \(miou, dice, pixel_acc"):
        run_job(job, tmp_path, tmp_path / "run")
    job = parse({"data": "digits", "task": "segmentation", "space": space})
    assert job.objectives == {"miou": "max", "flops": "min"}
    with pytest.raises(DataError, match="no masks"):
        run_job(job, tmp_path, tmp_path / "run")
