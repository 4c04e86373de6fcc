"""The JSON schema of a job, for editors, and the same as a page to read.

An editor with a YAML language server takes it by the first line of a job:
``# yaml-language-server: $schema=job.schema.json``.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

import msgspec

from plugnas.nas.data.spec import DataSpec
from plugnas.nas.job.config import Job


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a job, every field with its description."""
    parts, components = msgspec.json.schema_components(
        (Job, DataSpec), ref_template="#/$defs/{name}"
    )
    for kind in structs():
        properties = components[kind.__name__].get("properties", {})
        for field in msgspec.structs.fields(kind):
            properties[field.encode_name].setdefault("description", descriptions(kind)[field.name])
    data = components["Job"]["properties"]["data"]
    data["anyOf"] = [{"type": "string"}, parts[1]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A search job of plugnas",
        **parts[0],
        "$defs": components,
    }


def page() -> str:
    """Return every field of a job as Markdown: a table for each part."""
    lines = [
        "# The job file",
        "",
        "Made by `nas schema --markdown`. Every key, its default, what it does.",
        "",
    ]
    for kind in structs():
        lines += [f"## {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or ""), ""]
        lines += ["| key | default | |", "|---|---|---|"]
        for field in msgspec.structs.fields(kind):
            told = descriptions(kind)[field.name].replace("|", "\\|")
            lines.append(f"| `{field.encode_name}` | {_default(field)} | {told} |")
        lines.append("")
    return "\n".join(lines)


def structs() -> list[type[msgspec.Struct]]:
    """Return the parts of a job in the order of first mention, the job itself first."""
    found: list[type[msgspec.Struct]] = []
    for kind in (Job, DataSpec):
        _collect(msgspec.inspect.type_info(kind), found)
    return found


def _collect(info: Any, found: list[type[msgspec.Struct]]) -> None:
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls not in found:
            found.append(info.cls)
            for field in info.fields:
                _collect(field.type, found)
    elif isinstance(info, msgspec.inspect.UnionType):
        for inner in info.types:
            _collect(inner, found)
    elif isinstance(info, msgspec.inspect.ListType):
        _collect(info.item_type, found)
    elif isinstance(info, msgspec.inspect.DictType):
        _collect(info.value_type, found)


@cache
def descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the docstring below each field of a struct, read from its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(tree, ast.ClassDef):
        return {}
    told: dict[str, str] = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            told[statement.target.id] = " ".join(following.value.value.split())
    return told


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, msgspec.Struct):
        return f"see {type(value).__name__}"
    return (
        "none" if value is None else f"`{str(value).lower() if value in (True, False) else value}`"
    )


__all__ = ["descriptions", "page", "schema", "structs"]
