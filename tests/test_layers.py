"""Imports point one way, and heavy or optional libraries stay in the files that need them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from plugnas import modules, nas, space

ROOT = Path(modules.__file__).parent.parent
ROOMS = {"modules": set(), "space": {"modules"}, "nas": {"modules", "space"}}
# library -> the only files that may import it
ONLY = {
    "optuna": {
        "nas/samplers/optuna_backend.py",
        "nas/samplers/optuna_kinds.py",
        "nas/cli/dashboard.py",
        "nas/dashboard.py",
    },
    "ray": {"nas/executors/ray_executor.py"},
    "matplotlib": {"nas/plot.py"},
    "onnx": {"nas/export/onnx_format.py"},
    "onnxruntime": {"nas/export/standalone/check.py"},
    "timm": set(),
}


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def files():
    return [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def test_the_arrow():
    wrong = []
    for path in files():
        room = path.relative_to(ROOT).parts[0]
        upward = (imported(path) & set(ROOMS)) - ROOMS[room] - {room}
        wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in upward]
    assert not wrong
    assert len(files()) > 100


def test_modules_know_only_torch():
    allowed = {"torch", "torchvision", "modules", *sys.stdlib_module_names}
    wrong = {
        str(p.relative_to(ROOT)): imported(p) - allowed for p in (ROOT / "modules").rglob("*.py")
    }
    assert {path: names for path, names in wrong.items() if names} == {}


def test_heavy_libraries_have_one_home():
    wrong = []
    for path in files():
        own = str(path.relative_to(ROOT))
        for name in imported(path) & set(ONLY):
            if own not in ONLY[name]:
                wrong.append(f"{own} imports {name}")
    assert not wrong


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from plugnas.nas.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'optuna', 'ray', 'matplotlib', 'sklearn')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_our_packages_are_the_ones_imported():
    for package in (modules, space, nas):
        assert Path(package.__file__).parent.parent == ROOT
    assert (ROOT / "pyproject.toml").exists()
