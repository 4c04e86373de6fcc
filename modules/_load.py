"""Loading of modules from outside the zoo: a user's files and packages, and entry points.

Every process that reads a job calls ``load`` with what its ``import:`` says; importing registers.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from plugnas.modules import _registry
from plugnas.modules.errors import LoadError, PlugnasError, did_you_mean

GROUP = "plugnas.modules"  # the entry-point group of installed packages


def load(sources: Iterable[str | Path] | str, *, folder: str | Path | None = None) -> list[str]:
    """Import files and packages, each once, so that the modules they register are known.

    A file is imported under a unique name, so that it cannot clash with another module; while it
    runs, it can import the files beside it. A package folder keeps its name where that is free.

    Args:
        sources: Python files (``my_modules.py``), folders that hold a package (``my_package``), or
            names of what is installed (``their_package.blocks``); a path is tried before a name.
        folder: where relative paths start; the current one if None.

    Returns:
        The sources as another process finds them from anywhere: absolute paths, and names.

    Raises:
        LoadError: a source does not exist, or its import fails; the modules that it had registered
            by then are removed again.
    """
    start = Path.cwd() if folder is None else Path(folder)
    return [_load(str(s), start) for s in ([sources] if isinstance(sources, str) else sources)]


def load_entry_points() -> None:
    """Import the entry points of installed packages; one that fails gives a warning."""
    for point in entry_points(group=GROUP):
        try:
            _import(_shown(point), None, point.load)
        except LoadError as error:
            warnings.warn(f"{error}; its modules are missing", RuntimeWarning, stacklevel=2)


def _shown(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an installed package"
    return f"{point.value} of {package}"


def _load(source: str, start: Path) -> str:
    path = Path(os.path.realpath(start / Path(source).expanduser()))
    if path.is_dir():
        _load_package(source, path)
        return str(path)
    if source.endswith(".py") or path.is_file():
        load_file(source, path)
        return str(path)
    if not all(part.isidentifier() for part in source.split(".")):
        raise LoadError(_missing(source, path))
    _load_name(source, path)
    return source


def load_file(source: str, file: Path) -> ModuleType:
    """Import a Python file, once in a process, and return its module.

    Args:
        source: how the user names it.
        file: its path, with all links resolved.

    Raises:
        LoadError: it is no Python file, or its import fails.
    """
    if not file.is_file() or file.suffix != ".py":
        raise LoadError(_missing(source, file))
    found = _module_of(file)
    if found is None:
        with _neighbours_of(file):
            found = _execute(source, _own_name(file), file)
    return found


def _load_package(source: str, folder: Path) -> None:
    file = folder / "__init__.py"
    if not file.is_file():
        raise LoadError(
            f"`{source}` is a folder without an `__init__.py`, so that it is no package; "
            "add one that imports its modules, or name the files one by one"
        )
    if _module_of(file) is not None:
        return
    found = _find(folder.name)
    if found is not None and found != str(file):  # the name belongs to another module
        _execute(source, _own_name(folder), file)
    else:
        _execute(source, folder.name if folder.name.isidentifier() else _own_name(folder), file)


def _load_name(source: str, path: Path) -> None:
    top = source.partition(".")[0]
    if top not in sys.modules and _find(top) is None:
        raise LoadError(_missing(source, path))
    _import(source, None, lambda: importlib.import_module(source))


def _missing(source: str, path: Path) -> str:
    here = path.parent
    known = [p.name for p in here.iterdir() if _importable(p)] if here.is_dir() else []
    return (
        f"`{source}` is no Python file, no package folder (looked for {path}) and no installed "
        f"package{did_you_mean(source, known)}"
    )


def _importable(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _find(name: str) -> str | None:
    """Return the file of the top-level module of that name, "" if it has none, None if absent."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    return None if spec is None else os.path.realpath(spec.origin) if spec.origin else ""


def _own_name(path: Path) -> str:
    """A name that no other path has, the same in every process."""
    stem = "".join(c if c.isalnum() else "_" for c in path.stem)
    return f"plugnas_import_{stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _module_of(file: Path) -> ModuleType | None:
    """Return the module of this process, the main one included, that came from a file, or None."""
    for module in list(sys.modules.values()):
        own = getattr(module, "__file__", None)
        alike = isinstance(own, str) and os.path.basename(own) == file.name
        if alike and os.path.realpath(own) == str(file):  # type: ignore[arg-type]
            return module
    return None


@contextmanager
def _neighbours_of(file: Path) -> Iterator[None]:
    """Let the file import the files beside it: its folder is searched last."""
    sys.path.append(str(file.parent))
    try:
        yield
    finally:
        sys.path.remove(str(file.parent))


def _execute(source: str, name: str, file: Path) -> ModuleType:
    package = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=package)
    if spec is None or spec.loader is None:
        raise LoadError(f"`{source}`: Python has no loader for {file}")
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def run() -> None:
        sys.modules[name] = module
        loader.exec_module(module)

    _import(source, name, run)
    return module


def _import(source: str, name: str | None, run: Callable[[], Any]) -> None:
    """Run an import; if it fails, undo what it did and say why in one sentence."""
    known = _registry.snapshot()
    try:
        run()
    except (Exception, SystemExit) as error:
        _registry.restore(known)
        for left in [m for m in sys.modules if name and (m + ".").startswith(name + ".")]:
            del sys.modules[left]
        raise LoadError(f"`{source}` cannot be imported: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, PlugnasError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"line {error.lineno} of {error.filename} is not valid Python: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename != __file__
    ]
    place = f" (line {frames[-1].lineno} of {frames[-1].filename})" if frames else ""
    hint = "; name the folder of its package instead" if "relative import" in str(error) else ""
    return f"{type(error).__name__}: {error}{place}{hint}"
