"""The job of the detection example, at small size: modules in a detector's backbone and pyramid."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import pytest

from plugnas.nas.job.config import load, parse
from plugnas.nas.job_run import run_job

pytest.importorskip("torchmetrics")
pytest.importorskip("pycocotools")

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def discs(folder: Path, part: str, count: int, rng: np.random.Generator) -> None:
    """Write images of 64 x 64 with a bright square each, and their boxes."""
    (folder / "images" / part).mkdir(parents=True)
    images, marks = [], []
    for i in range(count):
        x, y = (int(v) for v in rng.integers(4, 36, 2))
        pixels = np.zeros((64, 64, 3), dtype=np.uint8)
        pixels[y : y + 24, x : x + 24] = 255
        PIL.Image.fromarray(pixels).save(folder / f"images/{part}/{i}.png")
        images.append({"id": i, "file_name": f"{i}.png"})
        marks.append({"id": i, "image_id": i, "category_id": 1, "bbox": [x, y, 24, 24]})
    classes = [{"id": 1, "name": "cell"}, {"id": 2, "name": "a"}, {"id": 3, "name": "b"}]
    text = {"images": images, "annotations": marks, "categories": classes}
    (folder / f"annotations_{part}.json").write_text(json.dumps(text))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_modules_are_plugged_into_a_detector_and_judged_by_map(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 4)):
        discs(tmp_path / "set", part, count, rng)
    monkeypatch.setenv("BCCD", str(tmp_path / "set"))
    job = {k: v for k, v in msgspec.to_builtins(load(EXPERIMENTS / "detect_bccd.yaml")).items()
           if v is not None}  # fmt: skip
    job["space"]["host"]["arguments"] = {"size": [64, 64]}
    small = {"trials": 2, "executor": "serial", "sampler": "random", "input": [3, 64, 64]}
    job |= {**small, "proxy": {"rungs": [{"epochs": 1}]}}
    view = run_job(parse(job), EXPERIMENTS, tmp_path / "run")
    assert view.failures == [] and len(view.measurements) == 2
    host, plugged = view.measurements  # the host unchanged is measured first
    chosen = {k: v for k, v in host.architecture.values.items() if k.startswith("after.")}
    assert len(chosen) == 4 and set(chosen.values()) == {"none"}
    assert 1.0 < plugged.costs["flops"] / host.costs["flops"] < 1.05
    assert all(0 <= m.values["map50"] <= 1 for m in view.measurements)
    assert all(np.isfinite(m.curve[0]["train_loss"]) for m in view.measurements)
