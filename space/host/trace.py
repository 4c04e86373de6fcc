"""Finding the sites of a host: one forward on the meta device, shapes read and not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from plugnas.modules._fuse import can_fold
from plugnas.space.host.classifier import find_classifiers
from plugnas.space.host.errors import HostError
from plugnas.space.host.layers import conv_of, is_activation, kind_of
from plugnas.space.host.names import SLOTS
from plugnas.space.host.records import HostSite, HostTrace, Map, NoSite
from plugnas.space.host.shadow import shadow_of
from plugnas.space.host.watch import Call, Watched, watch

_BATCH = 2


def trace(
    model: nn.Module,
    input_shape: Map,
    *,
    name: str = "model",
    digest: str = "",
    notes: tuple[str, ...] = (),
) -> HostTrace:
    """Return every site of a network, and for what is no site the reason.

    Args:
        model: any network that takes a batch of images (B, C, H, W), or a list of images; it is
            not changed, and its weights are not copied.
        input_shape: (C, H, W) of an image.
        name: how the host is called in tables and errors.
        digest: hexadecimal digits that change when the host's source or weights do.
        notes: what was said while the host was loaded.

    Raises:
        HostError: the network cannot run on such images, or has no submodule that returns a map.
    """
    shadow = shadow_of(model)
    seen, images = _run(shadow, input_shape, name)
    larger = _watch_larger(shadow, seen, images, input_shape)
    sites, no_sites = [], []
    for path, module, first in _submodules(shadow):
        found = _judge(shadow, path, module, first, seen, larger)
        (sites if isinstance(found, HostSite) else no_sites).append(found)
    if not sites:
        raise HostError(
            f"{name}: none of its {len(no_sites)} submodules returns a map (B, C, H, W); plugs "
            "stand on maps, so a host has at least one"
        )
    if not seen.finished:
        notes = (*notes, _stop_note(seen))
    classifiers, outputs = find_classifiers(shadow, seen)
    return HostTrace(
        name, digest, input_shape, tuple(sites), tuple(no_sites), classifiers, outputs,
        _output_text(seen.output), notes,
    )  # fmt: skip


# --- running ------------------------------------------------------------------------------------


def _batch(shape: Map, count: int, device: str) -> Tensor:
    return torch.zeros(count, *shape, device=device)


def _listed(shape: Map, count: int, device: str) -> list[Tensor]:
    return list(_batch(shape, count, device).unbind())


def _run(shadow: nn.Module, shape: Map, name: str) -> tuple[Watched, Any]:
    """Run until one way comes to the end; else take the one that came furthest.

    On the meta device; where the network keeps tensors of its own on the CPU, under torch's fake
    mode, which mixes the two. Where a batch is not taken, a list of images is.
    """
    best = Watched(stopped="it was not called"), partial(_watched, shadow, _batch, fake=False)
    for inputs in (_batch, _listed):
        for fake in (False, True):
            run = partial(_watched, shadow, inputs, fake=fake)
            seen = run(shape, _BATCH)
            if seen.finished or len(seen.order) > len(best[0].order):
                best = seen, run
            if seen.finished or seen.needs_values:
                break
        if best[0].order:
            return best
    size = "x".join(map(str, shape))
    raise HostError(f"{name}: does not run on a batch of {size} images ({best[0].stopped})")


def _watched(shadow: nn.Module, inputs: Any, shape: Map, count: int, *, fake: bool) -> Watched:
    model = shadow_of(shadow)  # a forward may leave tensors behind in the modules
    if not fake:
        return watch(model, lambda: inputs(shape, count, "meta"))
    with FakeTensorMode(allow_non_fake_inputs=True):
        _fake(model)
        return watch(model, lambda: inputs(shape, count, "cpu"))


def _fake(model: nn.Module) -> None:
    """Let parameters and buffers say, in the fake mode, that they are on the CPU."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                fake = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
                module._parameters[name] = nn.Parameter(fake, requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")


def _watch_larger(shadow: nn.Module, seen: Watched, run: Any, shape: Map) -> Watched | None:
    """Run again on larger images of another batch, where that is needed to tell axes apart.

    A square image gives square maps; only where the last two axes of some map could be something
    else does the second run say which axes grow with the image.
    """
    channels, height, width = shape
    maps = [call.left for calls in seen.calls.values() for call in calls if _has_axes(call)]
    sure = height == width and all(m[2] == m[3] and m[1] != m[2] for m in maps if m)
    if sure:
        return None
    larger: Watched = run((channels, height + 64, width + 32), _BATCH + 1)
    return larger


def _has_axes(call: Call) -> bool:
    return call.left is not None and len(call.left) == 4


# --- judging ------------------------------------------------------------------------------------


def _submodules(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield path, module and the first path under which the same module stands."""
    first: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if path:
            yield path, module, first.setdefault(id(module), path)


def _judge(
    model: nn.Module,
    path: str,
    module: nn.Module,
    first: str,
    seen: Watched,
    larger: Watched | None,
) -> HostSite | NoSite:
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
        if call.left[0] != _BATCH:
            return "returns windows, boxes or crops: its first axis is not the batch"
        grown = larger[j].left if j < len(larger) else None
        if grown is not None and len(grown) == 4:
            if grown[0] != _BATCH + 1:
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
    if following and can_fold(module, parent._modules[following[0]]):  # type: ignore[arg-type]
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
        return f"makes {given} of its map; operators make ceil(size / stride), here {size[0]}x{size[1]}"
    return ""


# --- words --------------------------------------------------------------------------------------


def _stop_note(seen: Watched) -> str:
    place = f" in `{seen.stopped_in}`" if seen.stopped_in else ""
    return (
        f"the traced forward stopped{place}, where the network looks at the values of the images "
        f"({seen.stopped}); what comes after cannot be a site"
    )


def _output_text(output: Any) -> str:
    if isinstance(output, Tensor):
        return "x".join(map(str, output.shape[1:])) or "a number"
    if isinstance(output, dict):
        return f"a dict ({', '.join(map(str, output))})"
    if output is None:
        return "not reached"
    return f"a {type(output).__name__}"
