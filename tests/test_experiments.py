"""The scripts under experiments/ import what there is: records must be made again by them."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
SCRIPTS = sorted(EXPERIMENTS.rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_a_script_imports_what_there_is(script):
    """Its names of plugnas are looked up; those of other packages need not be installed."""
    missing = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "plugnas"
        for alias in node.names
        if not _there_is(str(node.module), alias.name)
    ]
    assert missing == []


def _there_is(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        return importlib.util.find_spec(f"{module}.{name}") is not None
    except ModuleNotFoundError:  # the module is no package, so the name is nothing in it
        return False
