"""Judging what a traced forward saw: which submodules are sites, and why others are none."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from plugnas.modules._fuse import can_fold
from plugnas.space.host.layers import conv_of, is_activation, kind_of
from plugnas.space.host.names import SLOTS
from plugnas.space.host.records import HostSite, Map, NoSite
from plugnas.space.host.watch import Call, Watched

BATCH = 2
"""The images of a traced forward: a number by which the first axis of a map is known."""


def judge(
    model: nn.Module,
    path: str,
    module: nn.Module,
    first: str,
    seen: Watched,
    larger: Watched | None,
) -> HostSite | NoSite:
    """Return what a submodule is as a site, or why it is none.

    Args:
        model: the whole network, without weights.
        path: where the submodule stands.
        module: the submodule.
        first: the first path under which the same submodule stands.
        seen: the traced forward of ``BATCH`` images.
        larger: that of one more image, all of another size; None where one tells enough.
    """
    kind = kind_of(module)
    calls = seen.calls.get(path, [])
    reason = _why_none(model, path, module, first, seen)
    reason = reason or _no_map(module, calls, [] if larger is None else larger.calls.get(path, []))
    if reason is not None:
        return NoSite(path, kind, reason)
    site = HostSite(
        path,
        kind,
        tuple(_map(call.entered) for call in calls),
        tuple(_map(call.left) or (0, 0, 0) for call in calls),
        conv=conv_of(module),
        norm=_norm_of(model, path, module),
    )
    why_not: dict[str, str] = {}
    after: tuple[str, ...] = SLOTS["after"]
    if site.calls > 1:
        after, why_not["after"] = (), f"is called {site.calls} times in one forward"
    replace = _replaceable(site, module, why_not)
    if not after and not replace:
        return NoSite(path, kind, why_not["after"])
    return HostSite(
        path, kind, site.maps_in, site.maps_out, after, replace, why_not, site.conv, site.norm
    )


def _why_none(
    model: nn.Module, path: str, module: nn.Module, first: str, seen: Watched
) -> str | None:
    """Return why a submodule cannot be watched or hooked at all."""
    if isinstance(module, torch.jit.ScriptModule):
        return "is scripted: nothing can be plugged into compiled code"
    if first != path:
        return f"is shared: the same module as `{first}`"
    if path in seen.calls:
        inside = next((p for p in _parents(path) if _fuses(model, p)), None)
        if inside is not None:
            return f"stands inside `{inside}`, which is rewritten as one for deployment"
        return None
    if not seen.finished:
        return "was not reached: the traced forward stopped before (see the notes)"
    if isinstance(module, nn.ModuleList | nn.ModuleDict):
        return "is a list of modules and never called itself"
    return "is not called in eval mode, or its weights are used without calling it"


def _parents(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _fuses(model: nn.Module, path: str) -> bool:
    return callable(getattr(model.get_submodule(path), "fuse", None))


def _no_map(module: nn.Module, calls: list[Call], larger: list[Call]) -> str | None:
    """Return why what a submodule returns is no map (B, C, H, W)."""
    for j, call in enumerate(calls):
        if call.left is None or len(call.left) != 4:
            return f"returns {call.returned}, no map (B, C, H, W)"
        if call.left[0] != BATCH:
            return "returns windows, boxes or crops: its first axis is not the batch"
        grown = larger[j].left if j < len(larger) else None
        if grown is not None and len(grown) == 4:
            if grown[0] != BATCH + 1:
                return "returns windows, boxes or crops: its first axis is not the batch"
            if grown[1] != call.left[1]:
                return "returns a map with its channels last (B, H, W, C)"
        elif _channels_last(module, call.left):
            return "returns a map with its channels last (B, H, W, C)"
    return None


def _channels_last(module: nn.Module, left: tuple[int, ...]) -> bool:
    """Whether a layer inside works along the last axis of a map of this shape."""
    for inner in module.modules():
        if isinstance(inner, nn.Linear) and inner.out_features == left[3] != left[1]:
            return True
        if isinstance(inner, nn.LayerNorm) and type(inner).forward is nn.LayerNorm.forward:
            return tuple(inner.normalized_shape) == (left[3],) and left[3] != left[1]
    return False


def _map(sizes: tuple[int, ...] | None) -> Map | None:
    return (sizes[1], sizes[2], sizes[3]) if sizes is not None and len(sizes) == 4 else None


def _norm_of(model: nn.Module, path: str, module: nn.Module) -> str | None:
    """Return the path of the batch norm that ``modules.fuse`` folds into this convolution."""
    above, _, name = path.rpartition(".")
    parent = model.get_submodule(above)
    if not isinstance(parent, nn.Sequential) or type(parent).forward is not nn.Sequential.forward:
        return None
    names = list(parent._modules)
    following = names[names.index(name) + 1 :][:1]
    if following and can_fold(module, parent._modules[following[0]]):
        return f"{above}.{following[0]}".lstrip(".")
    return None


def _replaceable(site: HostSite, module: nn.Module, why_not: dict[str, str]) -> tuple[str, ...]:
    """Return the slots whose modules could stand here instead; others say why in ``why_not``."""
    if is_activation(module):
        if site.maps_in == site.maps_out:
            return ("activation",)
        why_not["activation"] = "changes the shape of its map"
    if site.conv is None:
        return ()
    why_not["operator"] = _no_operator(site)
    if not why_not["operator"]:
        del why_not["operator"]
        return ("operator",)
    return ()


def _no_operator(site: HostSite) -> str:
    """Return why no operator of the zoo can replace a convolution, or an empty text."""
    if site.calls > 1 or site.conv is None or site.map_in is None:
        return f"is called {site.calls} times in one forward"
    rows, columns = site.conv.stride
    if rows != columns:
        return f"has the stride {rows}x{columns}; operators have one stride for both axes"
    size = tuple(-(-n // rows) for n in site.map_in[1:])
    if size != site.map_out[1:]:
        given = "x".join(map(str, site.map_out[1:]))
        wanted = "x".join(map(str, size))
        return f"makes {given} of its map; operators make ceil(size / stride), here {wanted}"
    return ""
