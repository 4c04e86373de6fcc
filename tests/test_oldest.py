"""The lower bounds of pyproject.toml are those that `make test-oldest` installs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bounds() -> list[tuple[str, str]]:
    """Return (name, lower bound) of all that `make test-oldest` installs by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["ray"], *extras["onnx"]]
    wanted += project["dependency-groups"]["test"]
    found = [re.fullmatch(r"([A-Za-z-]+)(?:\[\w+\])?>=([\d.]+)", line) for line in wanted]
    assert all(found)
    return [(match[1].lower(), match[2]) for match in found if match]


@pytest.mark.parametrize(("name", "bound"), bounds())
def test_a_lower_bound_is_the_version_that_is_tested(name: str, bound: str) -> None:
    lines = (ROOT / "oldest.txt").read_text().splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert f"{oldest[name]}.".startswith(f"{bound}.")
