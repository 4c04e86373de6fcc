"""Patterns over the paths of a host: how a job names many sites at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache

from plugnas.space.host.records import HostTrace

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


def matching(pattern: str, paths: Iterable[str]) -> list[str]:
    """Return the paths that a pattern means, in their order.

    ``*`` stands for (some of) one part of a path and ``**`` for any number of parts; ``*.`` in
    front for one part or more, so that ``*.relu`` is every ``relu`` below the top. ``[1-3]``, ``?``
    and ``{a,b}`` are as in a shell.
    """
    expression = _expression(pattern)
    return [path for path in paths if expression.fullmatch(path)]


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("*."):
        return re.compile(r".+\." + _translated(pattern[2:]))
    return re.compile(_translated(pattern))


def _translated(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        rest = pattern[i:]
        if rest.startswith("**."):
            out, i = out + r"(?:.+\.)?", i + 3
        elif rest.startswith("**"):
            out, i = out + r".*", i + 2
        elif rest[0] == "*":
            out, i = out + r"[^.]*", i + 1
        elif rest[0] == "?":
            out, i = out + r"[^.]", i + 1
        elif found := re.match(r"\[(!?)([^\]]+)\]", rest):
            inside = found[2].replace("\\", r"\\")
            out, i = out + f"[{'^' if found[1] else ''}{inside}]", i + found.end()
        elif found := _ALTERNATIVES.match(rest):
            options = "|".join(_translated(option) for option in found[1].split(","))
            out, i = out + f"(?:{options})", i + found.end()
        else:
            out, i = out + re.escape(rest[0]), i + 1
    return out


def nearest(pattern: str, paths: Sequence[str], count: int = 3) -> list[str]:
    """Return the paths most like a pattern that matches nothing."""
    plain = re.sub(r"[*?\[\]{}!]", "", pattern)
    found = difflib.get_close_matches(plain, paths, n=count, cutoff=0.3)
    return found or list(paths[:count])


def unmatched(found: HostTrace, pattern: str) -> str:
    """Return the sentence for a pattern that means no site: why, or what is near."""
    for none in found.no_sites:
        if matching(pattern, [none.path]):
            return f"`{pattern}`: `{none.path}` ({none.kind}) cannot be a site: it {none.reason}"
    near = "`, `".join(nearest(pattern, list(found.by_path)))
    return f"no submodule of {found.name} matches `{pattern}`; near it are `{near}`"


def common_pattern(members: Sequence[str], among: Sequence[str], whole: str) -> str:
    """Return a pattern that means exactly ``members`` among the paths ``among``.

    The job's own pattern ``whole`` where it does; else the members with ``*`` in the parts in which
    they differ; else with these parts listed.
    """
    if list(members) == list(among):
        return whole
    split = [member.split(".") for member in members]
    if len({len(parts) for parts in split}) == 1:
        columns = [list(dict.fromkeys(column)) for column in zip(*split, strict=True)]
        for form in ("*", None):
            parts = [c[0] if len(c) == 1 else form or "{" + ",".join(c) + "}" for c in columns]
            if matching(pattern := ".".join(parts), among) == list(members):
                return pattern
    return "{" + ",".join(members) + "}"
