"""The wheel in an environment of its own, beside a project that has folders of the same names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

JOB = """\
import: [blocks.py]
space:
  stem: {width: 8}
  stages: [{width: 8}]
  slots: {attention: [none, twice]}
objectives: {accuracy: max, params: min}
trials: 2
workers: 2
device: cpu
proxy: {rungs: [{epochs: 1, images: 100, validation_images: 50}]}
"""

BLOCKS = '''\
"""A module of the project's own."""

from torch import Tensor, nn

from plugnas.modules import register


@register("twice", slot="attention", family="channel", name="Twice")
class Twice(nn.Module):
    """Multiplies by two. (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter that sees the wheel and this environment's libraries, but no checkout."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=300)
    (wheel,) = place.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "env")], check=True)
    found = place / "env" / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    shutil.unpack_archive(wheel, found, "zip")
    # a path line brings the libraries, and not what their own .pth files would (the checkout)
    (found / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "env" / "bin" / "python"


@pytest.fixture
def project(tmp_path):
    """A project with packages called modules, space and nas, which must stay its own."""
    for name in ("modules", "space", "nas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OWN = True\n")
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "blocks.py").write_text(BLOCKS)
    return tmp_path


def run(python, project, *words):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, *words], cwd=project, env=env, capture_output=True, text=True, timeout=400,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_own_packages_of_the_same_names_are_not_in_the_way(python, project):
    code = (
        "import modules, space, nas, plugnas, plugnas.modules, plugnas.space, plugnas.nas;"
        "assert modules.OWN and space.OWN and nas.OWN;"
        "assert 'site-packages' in plugnas.modules.__file__, plugnas.modules.__file__;"
        "print(plugnas.SearchSpace({'a': [1, 2]}).size, plugnas.__version__)"
    )
    assert run(python, project, "-c", code).startswith("2 ")


def test_a_search_with_an_own_module_and_its_export_in_two_workers(python, project):
    out = run(python, project, "-m", "plugnas", "search", "job.yaml", "--run-dir", "run")
    assert "on the front" in out
    out = run(
        python, project, "-m", "plugnas", "export", "run", "--pick", "best", "--format", "source"
    )
    assert (project / "run" / "export").is_dir(), out


@pytest.mark.ray
def test_the_same_on_ray(python, project):
    out = run(
        python, project, "-m", "plugnas", "search", "job.yaml", "--run-dir", "run", "--executor",
        "ray",
    )  # fmt: skip
    assert "on the front" in out
