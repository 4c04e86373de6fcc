"""The code in CONTRIBUTING and in the how-to pages works, and the generated pages are fresh."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

from plugnas import modules
from plugnas.modules import _registry
from plugnas.modules.testing import check_module
from plugnas.nas import tasks
from plugnas.nas.cli import main
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.testing import check_sampler

ROOT = Path(__file__).parents[1]


def blocks(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_sampler_of_contributing_keeps_the_contract():
    code, _ = blocks("CONTRIBUTING.md")
    names: dict[str, object] = {}
    exec(code, names)
    check_sampler(names["First"])


def test_the_task_of_contributing_is_searched_by(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    _, code = blocks("CONTRIBUTING.md")
    (tmp_path / "grades.py").write_text(code)
    task = tasks.create("grades.py:Grades", tmp_path)
    tally = task.tally(torch.eye(4)[[0, 3, 1]], torch.tensor([0, 1, 2]))
    assert task.score(tally)["mean_error"] == pytest.approx((0 + 2 + 1) / 3)
    job = parse(
        {
            "space": {"stages": [{"width": 4}]}, "task": "grades.py:Grades", "trials": 1,
            "proxy": {"rungs": [{"epochs": 1, "images": 64, "validation_images": 40}]},
            "executor": "serial", "sampler": "random",
        }
    )  # fmt: skip
    (measurement,) = run_job(job, tmp_path, tmp_path / "run").measurements
    assert 0 <= measurement.values["mean_error"] <= 9


def test_the_module_of_the_how_to_keeps_the_contract(tmp_path):
    (code,) = blocks("docs/howto/module.md")
    file = tmp_path / "blocks.py"
    file.write_text(code)
    known = _registry.snapshot()
    modules.load([file])
    try:
        check_module("channel_scale")
    finally:
        _registry.restore(known)


def test_the_page_of_the_job_file_is_fresh(capsys):
    """The page of the zoo: tests/nas/report/test_zoo.py."""
    assert main(["schema", "--markdown"]) == 0
    assert (ROOT / "docs" / "job.md").read_text() == capsys.readouterr().out


def test_every_page_of_the_site_exists():
    pages = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert len(pages) >= 10
    assert [page for page in pages if not (ROOT / "docs" / page).exists()] == []


def test_the_generator_writes_what_the_commands_print(tmp_path, monkeypatch):
    names = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert set(names["PAGES"]) == {"job.md", "zoo.md"}


@pytest.mark.parametrize("page", ["README.md", "docs/how_it_works.md"])
def test_the_layout_names_every_folder_of_nas(page):
    folders = {path.parent.name for path in (ROOT / "nas").glob("*/__init__.py")}
    text = (ROOT / page).read_text()
    assert [name for name in sorted(folders) if f"{name}/" not in text] == []
