"""Imports point one way, and heavy or optional libraries stay in the files that need them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from plugnas import modules, nas, space

ROOT = Path(modules.__file__).parent.parent
ROOMS = {"modules": set(), "space": {"modules"}, "nas": {"modules", "space"}}
# nas/ from the ground up: a folder imports from folders above it in this list, never from below
LAYERS = (
    "machine",
    "data",
    "tasks",
    "graph",
    "cost",
    "latency",
    "ledger",
    "front",
    "executors",
    "proxy",
    "samplers",
    "testing",
    "study",
    "job",
    "run",
    "confirm",
    "explain",
    "export",
    "report",
    "api",  # the API and the job's run are loose files
    "job_run",
    "cli",
    "__main__",
)
# library -> the only files that may import it
ONLY = {
    "optuna": {
        "nas/samplers/optuna/backend.py",
        "nas/samplers/optuna/kinds.py",
        "nas/samplers/optuna/pruning.py",
        "nas/cli/dashboard.py",
        "nas/report/dashboard.py",
    },
    "ray": {
        "nas/executors/cluster.py",
        "nas/samplers/tune/ray_tune.py",
        "nas/samplers/tune/within.py",
        "space/foreign.py",
    },
    "matplotlib": {"nas/report/picture.py"},
    "onnx": {"nas/graph/int8_onnx.py", "nas/graph/onnx_graph.py"},
    "onnxruntime": {
        "nas/export/standalone/check.py",
        "nas/graph/int8_onnx.py",
        "nas/latency/protocol.py",
        "nas/latency/standalone.py",
    },
    "openvino": {
        "nas/export/openvino_format.py",
        "nas/export/standalone/check.py",
        "nas/latency/openvino_timers.py",
    },
    "executorch": {"nas/graph/executorch_program.py", "nas/export/standalone/check.py"},
    "timm": set(),
    "filelock": {"nas/machine/lock.py"},
    "rich": {"nas/cli/progress.py", "nas/cli/work.py", "nas/machine/table.py"},
    "shtab": {"nas/cli/completion.py"},
    "libcst": {"nas/export/source.py"},
}


def imported(path: Path, *, types: bool = True) -> set[str]:
    """Dotted names of everything a file imports, inside functions too; ``types``: for those too."""
    found = set()
    tree = ast.parse(path.read_text())
    if not types:
        tree.body = [n for n in tree.body if ast.unparse(n)[:16] != "if TYPE_CHECKING"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def libraries(path: Path) -> set[str]:
    """Top-level names of everything a file imports."""
    return {name.split(".")[0] for name in imported(path)}


def rooms_of(path: Path) -> set[str]:
    """The rooms of plugnas from which a file imports."""
    return {n.split(".")[1] for n in imported(path) if n.startswith("plugnas.")}


def files():
    return [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def test_the_arrow():
    wrong = []
    for path in files():
        room = path.relative_to(ROOT).parts[0]
        upward = (rooms_of(path) & set(ROOMS)) - ROOMS[room] - {room}
        wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in upward]
    assert not wrong
    assert len(files()) > 100


def layer(parts: tuple[str, ...]) -> str:
    """The folder of nas/ in which something lies, or the name of a loose file."""
    return parts[0].removesuffix(".py")


def test_nas_has_no_circle_and_no_arrow_upward():
    wrong = []
    for path in sorted((ROOT / "nas").rglob("*.py")):
        own = layer(path.relative_to(ROOT / "nas").parts)
        if own == "__init__":
            continue  # the package's face names what lies below it
        for name in imported(path):
            if not name.startswith("plugnas.nas."):
                continue
            other = layer(tuple(name.split(".")[2:]))
            if LAYERS.index(other) > LAYERS.index(own):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_no_files_import_each_other_in_a_circle():
    """Names that only the type checker reads do not count: nothing is imported for them."""
    names = {
        ".".join(["plugnas", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in files()
    }
    waiting = {
        name: {
            other if other in names else other.rpartition(".")[0]
            for other in imported(path, types=False)
        }
        & (names.keys() - {name})
        for name, path in names.items()
    }
    while free := {name for name, needs in waiting.items() if not needs & waiting.keys()}:
        for name in free:
            del waiting[name]
    assert sorted(waiting) == []


def test_every_folder_has_tests_in_its_place():
    """Wings of a folder, such as one sampler's, are tested in the folder's own place."""
    folders = {path.parent.relative_to(ROOT) for path in files()}
    bare = [
        str(folder)
        for folder in folders
        if len(folder.parts) == 2 and not list((ROOT / "tests" / folder).glob("test_*.py"))
    ]
    assert bare == []


def test_nas_has_a_handful_of_loose_files():
    loose = {path.name for path in (ROOT / "nas").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "api.py", "job_run.py"}


def test_no_file_is_over_300_lines():
    lines = {path: len(path.read_text().splitlines()) for path in files()}
    assert [str(p.relative_to(ROOT)) for p, count in lines.items() if count > 300] == []


def test_modules_know_only_torch():
    allowed = {"torch", "torchvision", "plugnas", *sys.stdlib_module_names}
    wrong = {
        str(p.relative_to(ROOT)): libraries(p) - allowed for p in (ROOT / "modules").rglob("*.py")
    }
    wrong["modules/testing/_suite.py"] -= {"pytest"}  # the helper for who tests with pytest
    assert {path: names for path, names in wrong.items() if names} == {}


def test_heavy_libraries_have_one_home():
    wrong = []
    for path in files():
        own = str(path.relative_to(ROOT))
        for name in libraries(path) & set(ONLY):
            if own not in ONLY[name]:
                wrong.append(f"{own} imports {name}")
    assert not wrong


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from plugnas.nas.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'optuna', 'ray', 'matplotlib', 'sklearn', 'rich', 'shtab', 'libcst')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_our_packages_are_the_ones_imported():
    for package in (modules, space, nas):
        assert Path(package.__file__).parent.parent == ROOT
    assert (ROOT / "pyproject.toml").exists()
