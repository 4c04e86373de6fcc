"""What `make test-quick` leaves out exists: a renamed test would come back unnoticed."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def defined(path: Path) -> set[str]:
    """The functions and classes of a file."""
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_what_the_quick_run_leaves_out_is_there():
    missing = []
    for line in (ROOT / "tests" / "quick.txt").read_text().splitlines():
        kind, _, test = line.partition("=")
        assert kind in ("--ignore", "--deselect")
        path, *names = test.split("::")
        if not (ROOT / path).exists() or (names and not set(names) <= defined(ROOT / path)):
            missing.append(test)
    assert missing == []
