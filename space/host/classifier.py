"""The layers of a host that make its classes: found by the traced forward, and replaced."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from plugnas.space.host.fresh import mark_fresh
from plugnas.space.host.layers import conv_from, conv_of, width_out
from plugnas.space.host.watch import Watched


def find_classifiers(model: nn.Module, seen: Watched) -> tuple[tuple[str, ...], int | None]:
    """Return the paths of the layers that make the classes, and how many classes they make.

    The last linear layer or convolution that was called and has as many outputs as the network;
    with it its siblings that are added to it, and those of auxiliary outputs. Nothing is returned
    where the output is no tensor of classes (detection).
    """
    widths = _output_widths(seen.output)
    if len(set(widths)) != 1:
        return (), None
    classes = widths[0]
    fitting = [path for path in dict.fromkeys(seen.order) if _width(model, path) == classes]
    if not fitting:
        return (), None
    last = fitting[-len(widths) :]
    found = {p for p in fitting if p in last or any(_beside(model, p, q) for q in last)}
    found |= _uncalled(model, seen, classes)
    order = [path for path, _ in model.named_modules() if path in found]
    return tuple(order), classes


def _output_widths(output: Any) -> list[int]:
    tensors = list(output.values()) if isinstance(output, dict) else [output]
    if all(isinstance(t, Tensor) and t.dim() in (2, 4) for t in tensors):
        return [int(t.shape[1]) for t in tensors]
    return []


def _beside(model: nn.Module, path: str, other: str) -> bool:
    """Whether two layers differ in one part of their paths, and not by their order in a chain."""
    a, b = path.split("."), other.split(".")
    places = [i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    if len(a) != len(b) or len(places) != 1:
        return False
    parent = model.get_submodule(".".join(a[: places[0]]))
    return not isinstance(parent, nn.Sequential | nn.ModuleList)


def _width(model: nn.Module, path: str) -> int | None:
    return width_out(model.get_submodule(path))


def _uncalled(model: nn.Module, seen: Watched, classes: int) -> set[str]:
    """The last layers of auxiliary heads, which run in training only."""
    last: dict[str, str] = {}
    for path, module in model.named_modules():
        if width_out(module) is not None:
            last[path.partition(".")[0]] = path
    return {
        path for path in last.values() if path not in seen.calls and _width(model, path) == classes
    }


def replace_classifiers(model: nn.Module, paths: tuple[str, ...], classes: int) -> None:
    """Put fresh layers with ``classes`` outputs in the place of the classifiers."""
    for path in paths:
        above, _, name = path.rpartition(".")
        parent, old = model.get_submodule(above), model.get_submodule(path)
        new: nn.Module
        if isinstance(old, nn.Linear):
            new = nn.Linear(old.in_features, classes, old.bias is not None)
        else:
            conv: Any = conv_of(old)
            new = conv_from(type(conv)(**{**_fields(conv), "out_channels": classes}))
        weight: Any = old.weight
        parent._modules[name] = mark_fresh(new.to(device=weight.device, dtype=weight.dtype))
    before = getattr(model, "num_classes", None)
    if isinstance(before, int):
        model.num_classes = classes  # type: ignore[assignment]


def _fields(conv: Any) -> dict[str, Any]:
    return {name: getattr(conv, name) for name in conv.__struct_fields__}
