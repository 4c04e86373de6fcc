"""The README's example module works, and its commands exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from plugnas import modules
from plugnas.modules import _registry
from plugnas.modules.testing import check_module
from plugnas.nas.cli import COMMANDS
from plugnas.space import SearchSpace

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def entry(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    known, file = _registry.snapshot(), tmp_path / "channel_scale.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location("channel_scale", file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield modules.get("channel_scale")
    _registry.restore(known)


def test_the_example_keeps_the_contract(entry):
    check_module(entry.key)


def test_the_example_can_be_searched(entry):
    job = {"stages": [{"width": 8}], "slots": {"attention": ["none", {"channel_scale": "all"}]}}
    space = SearchSpace.from_config(job, (1, 8, 8), 10)
    assert space.size == 3
    for codes in space.enumerate():
        for architecture in space.architectures(codes):
            assert space.build(architecture).eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert space.sample(np.random.default_rng(0)).id


def test_the_readme_counts_the_modules_without_the_two_controls():
    count = len({e.key for e in modules.entries() if e.cls.__module__.startswith("plugnas.")})
    assert {"none", "placebo"} <= {entry.key for entry in modules.entries()}
    assert f"plugnas has {count - 2} of them" in README
    assert f"| tested zoo of plug-in modules | {count - 2} |" in README


def test_the_commands_are_those_that_exist():
    assert set(re.findall(r"^\| `nas (\w+)", README, re.MULTILINE)) == set(COMMANDS)
