"""Public functions of four and more parameters say what each parameter is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_OTHERS = {"on_trial_result", "sample_independent"}  # methods that Ray and Optuna document
OF_THE_SLOT = {"forward"}  # what goes in and out stands in the docstring of a module's class


def public(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Functions, methods and constructors that are public, with their docstrings."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node) or ""
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                if item.name == "__init__":
                    yield item, (ast.get_docstring(node) or "") + (ast.get_docstring(item) or "")
                elif not item.name.startswith("_") and item.name not in OF_OTHERS | OF_THE_SLOT:
                    yield item, ast.get_docstring(item) or ""


def parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_four_and_more_parameters_have_a_line_each():
    wrong, seen = [], 0
    for room in ("modules", "space", "nas"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for function, text in public(ast.parse(path.read_text())):
                names = parameters(function)
                if len(names) < 4:
                    continue
                seen += 1
                _, _, told = text.partition("Args:\n")
                if missing := [n for n in names if not re.search(rf"\b{n}\b[\w ,`]*:", told)]:
                    wrong.append(f"{path.relative_to(ROOT)}, {function.name}: {missing}")
    assert not wrong
    assert seen > 210
