"""Definitions of the zoo taken out of their files, with all that they need, in order of need."""

from __future__ import annotations

import builtins
import importlib
import inspect
import symtable
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile

import libcst as cst
from libcst import matchers as m
from libcst.helpers import get_full_name_for_node_or_raise as full_name
from libcst.metadata import BuiltinScope, GlobalScope, MetadataWrapper, ScopeProvider

from plugnas.nas.export.errors import ExportError

# An error of the registry's is, where there is no registry, one of Python's own.
_STANDS_FOR = {"plugnas.modules.errors.RefusedError": "ValueError"}
_REGISTRATION = m.Decorator(m.Call(func=m.Name("register")))
_Statement = cst.FunctionDef | cst.ClassDef | cst.SimpleStatementLine


@dataclass(frozen=True)
class _File:
    """A source file as it is read: its top-level definitions and its imports."""

    definitions: Mapping[str, _Statement]
    imports: Mapping[str, str]  # local name -> import statement or dotted name in one of our rooms


@dataclass(frozen=True)
class _Definition:
    """A definition as it is taken over, and what it uses of its file."""

    statement: _Statement
    text: str
    uses: Mapping[str, str]  # ``name`` or ``module.name`` -> dotted name or import statement


@dataclass
class Collector:
    """Collects definitions; ``bodies`` are their texts in the order in which they may be run.

    ``without`` names methods that are left out of classes; ``headings`` gives comments to be put
    above classes, by dotted name; ``constructors`` the source of an ``__init__`` to be taken in
    place of a class's own. Two definitions of one name from different files: the later is renamed
    after its file.
    """

    without: frozenset[str] = frozenset()
    headings: Mapping[str, str] = field(default_factory=dict)
    constructors: Mapping[str, str] = field(default_factory=dict)
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
        own = self.names[dotted] = self._free_name(name, place)
        found = _definition(dotted, self.without, self.constructors.get(dotted))
        called = {name: own}
        for used, target in found.uses.items():
            if _is_ours(target):
                called[used] = self.need(target)
            else:
                self.imports.add(target)
        changed = tuple((old, new) for old, new in called.items() if old != new)
        text = _renamed(found.statement, changed) if changed else found.text
        text = text.replace("modules.fuse", "fuse")  # docstrings name it so
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
    definitions: dict[str, _Statement] = {}
    imports: dict[str, str] = {}
    for statement in cst.parse_module(inspect.getsource(importlib.import_module(place))).body:
        if isinstance(statement, _Statement):
            definitions.update({name.value: statement for name in _bound(statement)})
        if isinstance(statement, cst.SimpleStatementLine):
            for line in statement.body:
                if isinstance(line, cst.Import | cst.ImportFrom):
                    imports.update(_imported(line))
    return _File(definitions, imports)


def _bound(statement: _Statement) -> list[cst.Name]:
    """Return the names that a top-level statement defines."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return [statement.name]
    targets: list[cst.BaseExpression] = []
    for line in statement.body:
        if isinstance(line, cst.Assign):
            targets += [target.target for target in line.targets]
        elif isinstance(line, cst.AnnAssign):
            targets.append(line.target)
    return [target for target in targets if isinstance(target, cst.Name)]


def _imported(line: cst.Import | cst.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield each name an import binds, with its dotted name (ours) or a statement (others')."""
    place = full_name(line.module) if isinstance(line, cst.ImportFrom) and line.module else ""
    if place == "__future__" or isinstance(line.names, cst.ImportStar):
        return
    for alias in line.names:
        name = alias.evaluated_name
        local = alias.evaluated_alias or name.split(".")[0]
        tail = f" as {alias.evaluated_alias}" if alias.evaluated_alias else ""
        if _is_ours(place or name):
            yield local, f"{place}.{name}" if place else name
        else:
            yield local, (f"from {place} " if place else "") + f"import {name}{tail}"


@cache
def _definition(dotted: str, without: frozenset[str], init: str | None) -> _Definition:
    """Return a definition without its registration and the methods left out."""
    place, _, name = dotted.rpartition(".")
    file = _read(place)
    statement = _taken(file.definitions[name], without, init)
    text = cst.Module([statement]).code.rstrip()
    uses: dict[str, str] = {}
    for used in _free_names(text):
        target = f"{place}.{used}" if used in file.definitions else file.imports.get(used)
        if target is None:
            continue  # a builtin, or a name that Python itself reports
        if not (_is_ours(target) and _is_module(target)):
            uses[used] = target
            continue
        for part in m.findall(statement, m.Attribute(value=m.Name(used))):
            attribute = full_name(part)
            uses[attribute] = target + attribute.removeprefix(used)
    return _Definition(statement, text, uses)


def _taken(statement: _Statement, without: frozenset[str], init: str | None) -> _Statement:
    if isinstance(statement, cst.SimpleStatementLine):
        comments = list(takewhile(lambda line: line.comment, reversed(statement.leading_lines)))
        return statement.with_changes(leading_lines=comments[::-1])
    decorators = [d for d in statement.decorators if not m.matches(d, _REGISTRATION)]
    statement = statement.with_changes(leading_lines=(), decorators=decorators)
    if isinstance(statement, cst.FunctionDef):
        return statement
    body: list[cst.CSTNode] = []
    for item in statement.body.body:
        if not isinstance(item, cst.FunctionDef):
            body.append(item)
        elif item.name.value == "__init__" and init is not None:
            body.append(cst.parse_statement(init).with_changes(leading_lines=item.leading_lines))
        elif item.name.value not in without:
            body.append(item)
    return statement.with_changes(body=statement.body.with_changes(body=body))


class _Renamer(cst.CSTTransformer):
    """Writes new names in place of some nodes, which are names or begin attributes."""

    def __init__(self, nodes: set[cst.CSTNode], names: Mapping[str, str]) -> None:
        super().__init__()
        self._nodes = nodes
        self._names = names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        new = self._names.get(original_node.value) if original_node in self._nodes else None
        return updated_node if new is None else updated_node.with_changes(value=new)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.Attribute | cst.Name:
        if original_node.value not in self._nodes:
            return updated_node
        new = self._names.get(full_name(original_node))
        return updated_node if new is None else cst.Name(new)


@cache
def _renamed(statement: _Statement, names: tuple[tuple[str, str], ...]) -> str:
    """Return a definition's text with new names; local variables of an old name keep it."""
    wrapper = MetadataWrapper(cst.Module([statement]), unsafe_skip_copy=True)
    nodes: set[cst.CSTNode] = {*_bound(statement)}
    for scope in {*wrapper.resolve(ScopeProvider).values()}:
        for access in scope.accesses if scope is not None else ():
            if all(isinstance(r.scope, GlobalScope | BuiltinScope) for r in access.referents):
                nodes.add(access.node)
    return wrapper.visit(_Renamer(nodes, dict(names))).code.rstrip()


def _free_names(text: str) -> tuple[str, ...]:
    """Return the names that a text uses, in annotations too, and does not define."""
    # annotations that are not evaluated would be left out of the tables
    text = text.replace("from __future__ import annotations\n", "", 1)
    top = symtable.symtable(text, "model.py", "exec")
    known = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    tables = [top]
    used: dict[str, None] = {}
    for table in tables:
        tables += table.get_children()
        used.update({s.get_name(): None for s in table.get_symbols() if s.is_global()})
    return tuple(name for name in used if name not in known)


def check_names(text: str) -> None:
    """Raise if a generated source uses a name that it neither defines nor imports.

    Raises:
        ExportError: with the names.
    """
    unknown = {*_free_names(text)} - {"__file__", "__name__", *dir(builtins)}
    if unknown:
        raise ExportError(f"model.py would use unknown names: {', '.join(sorted(unknown))}")
