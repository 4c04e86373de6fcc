"""Strict reading of YAML data into typed structs, with errors that name file, path and remedy."""

from __future__ import annotations

import os
import re
import stat
import typing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from plugnas.modules import PlugnasError, did_you_mean

T = TypeVar("T")

LARGEST = 2**24
"""Bytes of the largest YAML file that is read."""

MOST_NODES = 10**6
"""Values that a YAML file has at most, aliases counted as often as they are used."""


class ConfigError(PlugnasError):
    """A job file that does not say what a job must say."""


class _OnceLoader(yaml.SafeLoader):
    """YAML in which a key stands once; PyYAML itself takes the last one and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Refuse a key that was given before."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word", key.start_mark
                )
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key.value}` is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Refuse what YAML 1.1 reads as another number: ``010`` is 8 to it, ``2:30`` is 150."""
        text = node.value
        if ":" in text or re.fullmatch(r"[-+]?0[0-9_]+", text):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"`{text}` is read as another number in YAML; write a plain one, or '{text}' in "
                "quotes where a text is meant",
                node.start_mark,
            )
        kind = node.tag.rpartition(":")[2]
        return self.construct_yaml_int(node) if kind == "int" else self.construct_yaml_float(node)


for _tag in ("int", "float"):
    _OnceLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _OnceLoader.construct_number)


def read_yaml(path: Path) -> Any:
    """Parse a YAML file.

    Raises:
        ConfigError: the file is missing, unreadable or not YAML.
    """
    try:
        text = _text(path)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.y*ml")])
        raise ConfigError(f"{path}: no such file{near}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; name a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not valid YAML: it is no text (UTF-8)") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _parse(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_in_a_sentence(error)}") from None
    except ValueError as error:  # a date that is none, a number of thousands of digits
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None


def _text(path: Path) -> str:
    """Return what a regular file of a job's size holds; a pipe is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} is no regular file (a pipe or a device); name a YAML file")
        if found.st_size > LARGEST:
            raise ConfigError(
                f"{path} has {found.st_size} bytes, and a YAML file of ours at most {LARGEST}"
            )
        return file.read().decode("utf-8")


def _parse(text: str) -> Any:
    """Return what YAML says; aliases that stand for more than a job could hold are refused."""
    loader = _OnceLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _nodes(node, {}) > MOST_NODES:
            raise yaml.constructor.ConstructorError(
                None, None, f"with its aliases (`*name`) it has over {MOST_NODES} values"
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _nodes(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Return how many values a node has once its aliases stand for what they name."""
    if node not in known:
        known[node] = MOST_NODES + 1  # where it is found within itself
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for entry in inner for part in (entry if type(entry) is tuple else (entry,))]
        known[node] = 1 + sum(_nodes(part, known) for part in parts)
    return known[node]


def _in_a_sentence(error: yaml.YAMLError) -> str:
    """Return what PyYAML says in several lines, with the places in the file."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    told = [(error.context, error.context_mark), (error.problem, error.problem_mark)]
    return ": ".join(text + _at(mark) for text, mark in told if text)


def _at(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"


_BOUNDS = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}


def convert(data: Any, kind: type[T], where: str = "") -> T:
    """Turn plain data into ``kind``.

    Raises:
        ConfigError: an unknown key, a wrong type or a missing field; the text names the path.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        told = _odd_key(data, "") or _explain(str(error), kind, data)
        raise ConfigError(f"{where}: {told}".removeprefix(": ")) from None


def check_types(struct: msgspec.Struct) -> None:
    """Hold a struct that code has made, and no file, against the types and ranges of its fields.

    Raises:
        ConfigError: a value of another type, or out of its range; the text names the field.
    """
    convert(msgspec.structs.asdict(struct), _twin(type(struct)))


@cache
def _twin(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return a struct with the same fields and nothing else, which may be made without a check."""
    return msgspec.defstruct(
        kind.__name__, [(field.name, field.type) for field in msgspec.structs.fields(kind)]
    )


def _odd_key(data: Any, place: str) -> str | None:
    """Return what is wrong with the first key that is no text; None where every key is one."""
    inner: list[tuple[Any, str]] = []
    if isinstance(data, dict):
        for key in data:
            if not isinstance(key, str):
                return (
                    f"{place or 'top level'}: a key must be a word, but got {key!r}; write it in "
                    "quotes if that is its name"
                )
        inner = [(value, f"{place}.{key}".lstrip(".")) for key, value in data.items()]
    elif isinstance(data, list):
        inner = [(value, f"{place}[{i}]") for i, value in enumerate(data)]
    return next((told for item in inner if (told := _odd_key(*item)) is not None), None)


def _explain(text: str, kind: Any, data: Any) -> str:
    message, _, path = text.partition(" - at `")
    place = path.rstrip("`").removeprefix("$").lstrip(".") or "top level"
    unknown = re.search(r"unknown field `(.+)`", message)
    if unknown:
        known = sorted(_fields(kind, place))
        if place.startswith(("slots.", "space.slots.")) and "choices" in known:
            item = f"[{{{unknown[1]}: ...}}]"
            return f"{place}: modules are chosen in a list: write {item}, or `choices:` with a list"
        return (
            f"{place}: unknown key `{unknown[1]}`{did_you_mean(unknown[1], known)} "
            f"(known keys: {', '.join(known)})"
        )
    missing = re.search(r"missing required field `(.+)`", message)
    if missing:
        return f"{place}: the key `{missing[1]}` is required"
    wrong = re.search(r"invalid enum value '(.+)'", message, re.IGNORECASE)
    if wrong:
        known = sorted(_literals(kind, place))
        return f"{place}: `{wrong[1]}` is none of {', '.join(known)}{did_you_mean(wrong[1], known)}"
    outside = re.fullmatch(r"Expected `(?:int|float)` (>=|>|<=|<) (.+)", message)
    if outside:
        limit = outside[2].removesuffix(".0")
        return f"{place} must be {_BOUNDS[outside[1]]} {limit}{_given(data, place)}"
    for jargon, word in (("object", "mapping"), ("array", "list"), ("str", "text")):
        message = re.sub(rf"\b{jargon}\b", word, message)
    return f"{place}: {message[0].lower()}{message[1:]}"


def _given(data: Any, place: str) -> str:
    """Return what the data say at a path, in words; nothing where the path leads nowhere."""
    for step in re.findall(r"[^.\[\]]+", place):
        try:
            data = data[int(step) if isinstance(data, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            return ""
    return f", but got {data}"


def _fields(kind: Any, place: str) -> set[str]:
    """Field names of the struct that stands at a path such as ``space.stages[0]``."""
    kinds = [kind]
    if place != "top level":
        for step in re.findall(r"[^.\[\]]+", place):
            kinds = [inner for k in kinds for inner in _step(k, step)]
    return {name for k in kinds for struct in _structs(k) for name in struct.__struct_fields__}


def _literals(kind: Any, place: str) -> set[str]:
    """Words allowed at a path such as ``proxy.precision``."""
    kinds = [kind]
    for step in re.findall(r"[^.\[\]]+|\.\.\.", place):
        kinds = [inner for k in kinds for inner in _step(k, step)]
    options = [option for k in kinds for option in (k, *typing.get_args(k))]
    literals = [o for o in options if typing.get_origin(o) is typing.Literal]
    return {str(word) for o in literals for word in typing.get_args(o)}


def _structs(kind: Any) -> list[Any]:
    options = typing.get_args(kind) or (kind,)
    return [k for k in options if isinstance(k, type) and issubclass(k, msgspec.Struct)]


def _step(kind: Any, step: str) -> list[Any]:
    found = []
    for option in (kind, *typing.get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            hints = typing.get_type_hints(option)
            found += [hints[step]] if step in hints else []
        elif typing.get_origin(option) in (list, dict) and (step.isdigit() or step == "..."):
            found.append(typing.get_args(option)[-1])
    return found
