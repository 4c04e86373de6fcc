"""Modules from outside: by path, by name, by entry point; each once, and all or nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from plugnas import modules
from plugnas.modules import LoadError, _load, _registry

MODULE = '''
from torch import nn
from plugnas.modules import register

@register("{key}", slot="attention", family="mine", name="Mine")
class Mine(nn.Module):
    """Returns its input."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x
'''


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """The registry, the imported modules and the current folder as they were."""
    known, imported, path = _registry.snapshot(), set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield
    assert sys.path == path
    _registry.restore(known)
    for name in set(sys.modules) - imported:
        del sys.modules[name]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_registers_once_under_a_name_of_its_own(tmp_path):
    file = _write(tmp_path / "json.py", MODULE.format(key="mine"))  # json is another module's name
    import json

    assert modules.load(["json.py"]) == [str(file)]
    cls = modules.get("mine").cls
    assert modules.load([file, "json.py"]) == [str(file), str(file)]
    assert modules.get("mine").cls is cls
    assert sys.modules["json"] is json
    assert sys.modules[cls.__module__].__file__ == str(file)
    assert modules.get("mine").build(modules.Site(3, 2, 2)) is not None


def test_two_files_of_one_name_and_a_folder_to_start_from(tmp_path):
    for folder in ("a", "b"):
        _write(tmp_path / folder / "mine.py", MODULE.format(key=f"mine_{folder}"))
        modules.load("mine.py", folder=tmp_path / folder)
    assert modules.get("mine_a").cls.__module__ != modules.get("mine_b").cls.__module__


def test_a_file_sees_its_neighbours_while_it_runs(tmp_path):
    _write(tmp_path / "a" / "neighbour_of_mine.py", "KEY = 'mine'")
    text = "from neighbour_of_mine import KEY\n" + MODULE.replace('"{key}"', "KEY")
    modules.load([_write(tmp_path / "a" / "mine.py", text)])
    assert modules.get("mine").family == "mine"


def test_a_package_keeps_its_name_and_imports_itself_by_it(tmp_path):
    package = tmp_path / "my_package"
    _write(package / "__init__.py", "import my_package.one\nfrom . import two")
    _write(package / "one.py", MODULE.format(key="one"))
    _write(package / "two.py", MODULE.format(key="two"))
    assert modules.load(["my_package"]) == [str(package)]
    assert modules.load([package]) == [str(package)]
    assert modules.get("one").cls.__module__ == "my_package.one"
    assert modules.get("two").key == "two"


def test_a_package_whose_name_is_taken_gets_another(tmp_path):
    _write(tmp_path / "email" / "__init__.py", "from . import mine")
    _write(tmp_path / "email" / "mine.py", MODULE.format(key="mine"))
    import email

    modules.load(["email"])
    assert sys.modules["email"] is email
    assert modules.get("mine").cls.__module__.startswith("plugnas_import_email_")


def test_an_installed_package_by_its_name(tmp_path, monkeypatch):
    _write(tmp_path / "site" / "their_package" / "__init__.py", "")
    _write(tmp_path / "site" / "their_package" / "blocks.py", MODULE.format(key="theirs"))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "site")
        assert modules.load(["their_package.blocks"]) == ["their_package.blocks"]
        assert modules.load([tmp_path / "site" / "their_package"])  # the same, by its folder
    assert modules.get("theirs").cls.__module__ == "their_package.blocks"


def test_what_the_main_script_registered_is_not_imported_again(tmp_path):
    script = MODULE.format(key="mine") + (
        "from plugnas import modules\n"
        "modules.load([__file__])\n"
        "print(modules.get('mine').cls.__module__)\n"
    )
    file = _write(tmp_path / "script.py", script)
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("__main__\n", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\ny = z\n", r"NameError: name 'z' is not defined \(line 15 of .*mine.py\)"),
        ("def f(:\n", "line 14 of .*mine.py is not valid Python"),
        (MODULE.format(key="se"), "declaration of `se`: the name 'se' is taken by `se`"),
        ("import no_such_package_at_all\n", "No module named 'no_such_package_at_all'"),
        ("from . import other\n", "name the folder of its package instead"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_a_sentence_and_leaves_nothing(tmp_path, text, reason):
    before, imported = _registry.snapshot(), set(sys.modules)
    _write(tmp_path / "mine.py", MODULE.format(key="mine") + text)
    with pytest.raises(LoadError, match=f"`mine.py` cannot be imported: .*{reason}") as error:
        modules.load(["mine.py"])
    assert "\n" not in str(error.value)
    assert _registry.snapshot() == before
    assert set(sys.modules) == imported
    _write(tmp_path / "mine.py", MODULE.format(key="mine"))  # mended: it loads
    modules.load(["mine.py"])
    assert modules.get("Mine").key == "mine"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("my_module.py", "did you mean `my_modules.py`"),
        ("no_such.package", "no installed package"),
        ("a folder/x.py", "no Python file"),
        ("empty", "without an `__init__.py`"),
        ("notes.txt", "no Python file"),
    ],
)
def test_what_is_not_there_is_named_with_the_remedy(tmp_path, source, sentence):
    _write(tmp_path / "my_modules.py", "")
    _write(tmp_path / "notes.txt", "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadError, match=f"`{source}` is .*{sentence}"):
        modules.load([source])


def test_entry_points_are_imported_and_a_broken_one_is_left_out(tmp_path, monkeypatch):
    _write(tmp_path / "site" / "good_plugin.py", MODULE.format(key="good"))
    _write(tmp_path / "site" / "bad_plugin.py", MODULE.format(key="bad") + "1 / 0")
    points = [EntryPoint(n, n, _load.GROUP) for n in ("bad_plugin", "good_plugin")]
    monkeypatch.setattr(_load, "entry_points", lambda group: points)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "site")
        with pytest.warns(RuntimeWarning, match="`bad_plugin of .*division by zero.*are missing"):
            _load.load_entry_points()
    assert modules.get("good").key == "good"
    with pytest.raises(modules.UnknownModuleError):
        modules.get("bad")
