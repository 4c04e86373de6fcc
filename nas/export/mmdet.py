"""The nearest `plugins=[dict(...)]` of mmdetection's ResNet to what is plugged into a host.

There a plugin stands in the bottlenecks of whole stages, `after_conv1`, `after_conv2` or
`after_conv3` and the norm behind it, in series and without a gate.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from plugnas import modules
from plugnas.space.host import Placement
from plugnas.space.options import Choice

_STAGES = 4
_BRANCH = re.compile(r"layer([1-4])\.(\d+)\.(?:conv|bn)([1-3])")
_BLOCK = re.compile(r"layer([1-4])(?:\.\d+)?")


class _Place(NamedTuple):
    stage: int
    position: str
    exact: bool


def snippet(placements: Sequence[Placement], source: str, title: str) -> tuple[str, str]:
    """Return the text of mmdet_plugins.py, and in a sentence what it does not say.

    Args:
        placements: what is plugged into the host.
        source: the text of model.py, in which the modules' classes stand.
        title: what the network is.
    """
    stages: dict[tuple[Choice, str], set[int]] = defaultdict(set)
    lost: list[str] = []
    moved: list[str] = []
    for placement in placements:
        place = _place_of(placement)
        if place is None or not _class_of(placement.choice, source):
            lost.append(placement.text)
            continue
        stages[placement.choice, place.position].add(place.stage)
        if not place.exact:
            moved.append(placement.text)
    note = _note(lost, moved)
    return _text(stages, title, note), note


def _place_of(placement: Placement) -> _Place | None:
    """Return stage and position in mmdetection; a plug after a block goes to its last norm."""
    if placement.how != "after":
        return None
    if found := _BRANCH.fullmatch(placement.path):
        return _Place(int(found[1]), f"after_conv{found[3]}", exact=found[3] == "3")
    if found := _BLOCK.fullmatch(placement.path):
        return _Place(int(found[1]), "after_conv3", exact=False)
    return None


def _class_of(choice: Choice, source: str) -> str | None:
    """Return the name of a module's class in model.py; None where it stands in an adapter."""
    entry = modules.get(choice.key)
    name = entry.cls.__name__
    plain = {"attention", "context"} & set(entry.slots)
    return name if plain and re.search(rf"^class {name}\b", source, re.M) else None


def _note(lost: Sequence[str], moved: Sequence[str]) -> str:
    parts = [
        "a plugin of mmdetection stands in every bottleneck of a stage and has no gate, so that "
        "it does not begin as the identity"
    ]
    if moved:
        parts.append(f"moved to the nearest position: {', '.join(moved)}")
    if lost:
        parts.append(f"not possible at any position of its ResNet: {', '.join(lost)}")
    return "; ".join(parts)


def _text(stages: dict[tuple[Choice, str], set[int]], title: str, note: str) -> str:
    keys = list(dict.fromkeys(choice.key for choice, _ in stages))
    head = f"The nearest plugins of mmdetection's ResNet (depth 50 or more) to {title}."
    lines = [*textwrap.wrap(f'"""{head}', 100), ""]
    lines += [*textwrap.wrap(f"{note[0].upper()}{note[1:]}.", 100), "", "In the configuration:"]
    lines += ["", '    custom_imports = dict(imports=["mmdet_plugins"])']
    lines += ["    model = dict(backbone=dict(plugins=[...]))  # the list below", '"""', ""]
    if keys:
        names = sorted(modules.get(key).cls.__name__ for key in keys)
        lines += ["from mmdet.registry import MODELS", f"from model import {', '.join(names)}", ""]
    for key in keys:
        lines += _registered(key)
    entries = [_entry(*place, at) for place, at in stages.items()]
    lines += ["", "plugins = [", *[f"    {entry}," for entry in entries], "]"]
    return "\n".join(lines) + "\n"


def _registered(key: str) -> list[str]:
    name = modules.get(key).cls.__name__
    return [
        "",
        "@MODELS.register_module()",
        f"class {_type(key)}({name}):",
        f'    """`{key}`, built as mmdetection builds a plugin: by `in_channels`."""',
        "",
        f'    _abbr_ = "{key}"',
        "",
        "    def __init__(self, in_channels, **settings):",
        "        super().__init__(in_channels, **settings)",
        "",
    ]


def _entry(choice: Choice, position: str, stages: set[int]) -> str:
    settings = "".join(f", {name}={value!r}" for name, value in choice.setting)
    where = tuple(stage in stages for stage in range(1, _STAGES + 1))
    cfg = f'dict(type="{_type(choice.key)}"{settings})'
    return f'dict(cfg={cfg}, stages={where}, position="{position}")'


def _type(key: str) -> str:
    return "Plugged" + "".join(part.title() for part in key.split("_"))


__all__ = ["snippet"]
