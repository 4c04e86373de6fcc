"""Definitions of the zoo taken out of their files, with all that they need, in order of need."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

from plugnas.nas.export.errors import ExportError

# An error of the registry's is, where there is no registry, one of Python's own.
_STANDS_FOR = {"plugnas.modules.errors.RefusedError": "ValueError"}


@dataclass(frozen=True)
class _File:
    """A source file as it is read: its top-level definitions and its imports."""

    module: ModuleType
    lines: tuple[str, ...]
    definitions: Mapping[str, ast.stmt]
    imports: Mapping[str, str]  # local name -> import statement or dotted name in one of our rooms


@dataclass(frozen=True)
class _Use:
    """A name in a text, or an attribute of a name, with its line and its columns in bytes."""

    name: str
    attribute: str | None
    line: int
    first: int
    last: int


@cache
def _uses(text: str) -> tuple[_Use, ...]:
    """Return the names that a text uses; most texts are those of a file, and asked for again."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            at, attribute, name = node.value, node.attr, node.value.id
        elif isinstance(node, ast.Name):
            at, attribute, name = node, None, node.id
        else:
            continue
        found.append(_Use(name, attribute, at.lineno, at.col_offset, node.end_col_offset or 0))
    return tuple(found)


@dataclass
class Collector:
    """Collects definitions; ``bodies`` are their texts in the order in which they may be run.

    ``without`` names methods that are left out of classes; ``headings`` gives comments to be put
    above classes, by dotted name; ``rewrites`` whole texts to be taken in place of a file's.
    Two definitions of one name from different files: the later is renamed after its file.
    """

    without: frozenset[str] = frozenset()
    headings: Mapping[str, str] = field(default_factory=dict)
    rewrites: Mapping[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)  # dotted -> name in the collection
    taken: set[str] = field(default_factory=set)

    def need(self, dotted: str) -> str:
        """Collect a definition (such as ``plugnas.modules.attention.se.SE``); return its name."""
        if dotted in _STANDS_FOR:
            return _STANDS_FOR[dotted]
        if dotted in self.names:
            return self.names[dotted]
        place, _, name = dotted.rpartition(".")
        file = _read(place)
        if name not in file.definitions:
            if name in file.imports:
                return self.need(file.imports[name])
            raise ExportError(f"the source of {dotted} cannot be found, so model.py cannot be made")
        own = self._free_name(name, place)
        self.names[dotted] = own
        text = self.rewrites.get(dotted) or _text(file, file.definitions[name], self.without)
        text = self._renamed(text, file, name, own)
        heading = self.headings.get(dotted)
        if heading is not None:
            text = textwrap.fill(f"# {heading}", 100, subsequent_indent="# ") + f"\n{text}"
        self.bodies.append(text)
        return own

    def _free_name(self, name: str, place: str) -> str:
        stem = place.rpartition(".")[2].strip("_")
        if name in self.taken:
            suffix = stem.title().replace("_", "") if name.strip("_")[:1].isupper() else f"_{stem}"
            name = name + (suffix if name != name.upper() else f"_{stem.upper()}")
        if name in self.taken:
            raise ExportError(f"two definitions named {name} meet in model.py")
        self.taken.add(name)
        return name

    def _renamed(self, text: str, file: _File, name: str, own: str) -> str:
        """Collect what a text needs, and call it there by the names it has in the collection."""
        changes: list[tuple[int, int, int, str]] = []  # line, first and last column, new text
        for used in _uses(text):
            if used.attribute is None:
                new = self._resolve(used.name, file)
            else:
                place = file.imports.get(used.name, "")
                if not (_is_ours(place) and _is_module(place)):
                    continue
                new = self.need(f"{place}.{used.attribute}")
            if new != used.name:
                changes.append((used.line, used.first, used.last, new))
        lines = [line.encode() for line in text.splitlines()]
        for line, first, last, new in sorted(changes, reverse=True):
            was = lines[line - 1]
            lines[line - 1] = was[:first] + new.encode() + was[last:]
        text = b"\n".join(lines).decode()
        if own != name:
            text = re.sub(rf"^((?:class|def) ){name}\b", rf"\g<1>{own}", text, flags=re.M)
        return text.replace("modules.fuse", "fuse")

    def _resolve(self, name: str, file: _File) -> str:
        """Return the name under which a name of a file is known in the collection."""
        if name in file.definitions:
            return self.need(f"{file.module.__name__}.{name}")
        found = file.imports.get(name)
        if found is None:
            return name  # a local variable, a builtin, or a name that Python itself reports
        if not _is_ours(found):
            self.imports.add(found)
        elif not _is_module(found):
            return self.need(found)
        return name


def _is_ours(dotted: str) -> bool:
    return dotted.split(".")[0] == "plugnas"


@cache
def _is_module(dotted: str) -> bool:
    try:
        importlib.import_module(dotted)
    except ImportError:
        return False
    return True


@cache
def _read(place: str) -> _File:
    module = importlib.import_module(place)
    text = inspect.getsource(module)
    definitions: dict[str, ast.stmt] = {}
    imports: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions.update({t.id: node for t in targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.update(_imported(node))
    return _File(module, tuple(text.splitlines()), definitions, imports)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield each name an import binds, with its dotted name (ours) or a statement (others')."""
    for alias in node.names:
        local = alias.asname or alias.name.split(".")[0]
        tail = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            yield local, alias.name if _is_ours(alias.name) else f"import {alias.name}{tail}"
        elif node.module != "__future__":
            ours = _is_ours(node.module or "")
            statement = f"from {node.module} import {alias.name}{tail}"
            yield local, f"{node.module}.{alias.name}" if ours else statement


def _text(file: _File, node: ast.stmt, without: frozenset[str]) -> str:
    """Return a definition's source without its registration and the methods left out."""
    first, last = node.lineno, node.end_lineno or node.lineno
    kept: list[str] = []
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            text = ast.unparse(decorator)
            if not text.startswith("register("):
                kept.append(f"@{text}")
    else:
        while first > 1 and file.lines[first - 2].startswith("#"):
            first -= 1
    lines = dict(enumerate(file.lines[first - 1 : last], first))
    if isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name in without:
                begin = min([item.lineno, *(d.lineno for d in item.decorator_list)])
                while not file.lines[begin - 2].strip():
                    begin -= 1
                for line in range(begin, (item.end_lineno or begin) + 1):
                    lines.pop(line)
    return "\n".join([*kept, *lines.values()])


def class_text(dotted: str, *, without: frozenset[str], init: str) -> str:
    """Return a class with another constructor, and without some methods."""
    place, _, name = dotted.rpartition(".")
    file = _read(place)
    text = _text(file, file.definitions[name], without | {"__init__"})
    head, separator, rest = text.partition('"""\n\n')
    return f"{head}{separator.rstrip()}\n{init}\n{rest}"


def check_names(text: str) -> None:
    """Raise if a generated source uses a name that it neither defines nor imports.

    Raises:
        ExportError: with the names.
    """
    known = set(dir(builtins)) | {"__file__", "__name__"}
    used: set[str] = set()
    lines = text.splitlines()
    for node in ast.parse(text).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        own_used, own_known = _names("\n".join(lines[first - 1 : node.end_lineno]))
        used |= own_used
        known |= own_known
    if used - known:
        raise ExportError(f"model.py would use unknown names: {', '.join(sorted(used - known))}")


@cache
def _names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a definition uses and those that it binds, parameters included."""
    used: set[str] = set()
    known: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else known).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.alias):
            known.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            known.add(node.name)
    return frozenset(used), frozenset(known)
