"""Finding the sites of a host: one forward on the meta device, from which all shapes are read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from plugnas.space.host.classifier import find_classifiers
from plugnas.space.host.errors import HostError
from plugnas.space.host.judge import BATCH, judge
from plugnas.space.host.records import HostSite, HostTrace, Map, NoSite
from plugnas.space.host.shadow import shadow_of
from plugnas.space.host.watch import Call, Watched, watch


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
    sites: list[HostSite] = []
    no_sites: list[NoSite] = []
    for path, module, first in _submodules(shadow):
        found = judge(shadow, path, module, first, seen, larger)
        if isinstance(found, HostSite):
            sites.append(found)
        else:
            no_sites.append(found)
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


def _batch(shape: Map, count: int, kind: dict[str, Any]) -> Tensor:
    return torch.zeros(count, *shape, **kind)


def _listed(shape: Map, count: int, kind: dict[str, Any]) -> list[Tensor]:
    return list(_batch(shape, count, kind).unbind())


def _run(shadow: nn.Module, shape: Map, name: str) -> tuple[Watched, Any]:
    """Run until one way comes to the end; else take the one that came furthest.

    On the meta device; where the network keeps tensors of its own on the CPU, under torch's fake
    mode, which mixes the two. Where a batch is not taken, a list of images is.
    """
    best: tuple[Watched, Any] | None = None
    for inputs in (_batch, _listed):
        for fake in (False, True):
            run = partial(_watched, shadow, inputs, fake=fake)
            seen = run(shape, BATCH)
            if best is None or seen.finished or len(seen.order) > len(best[0].order):
                best = seen, run
            if seen.finished or seen.needs_values:
                break
        if best is not None and best[0].order:
            break
    if best is not None and (best[0].finished or (best[0].needs_values and best[0].order)):
        return best
    size, seen = "x".join(map(str, shape)), best[0] if best else Watched()
    place = f" in `{seen.stopped_in}`" if seen.stopped_in else ""
    raise HostError(f"{name}: does not run on images of {size}: it fails{place} ({seen.stopped})")


def _watched(shadow: nn.Module, inputs: Any, shape: Map, count: int, *, fake: bool) -> Watched:
    model = shadow_of(shadow)  # a forward may leave tensors behind in the modules
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if not fake:
        return watch(model, lambda: inputs(shape, count, {"device": "meta", "dtype": dtype}))
    with FakeTensorMode(allow_non_fake_inputs=True):
        _fake(model)
        return watch(model, lambda: inputs(shape, count, {"device": "cpu", "dtype": dtype}))


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
    larger: Watched = run((channels, height + 64, width + 32), BATCH + 1)
    return larger


def _has_axes(call: Call) -> bool:
    return call.left is not None and len(call.left) == 4


def _submodules(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield path, module and the first path under which the same module stands."""
    first: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if path:
            yield path, module, first.setdefault(id(module), path)


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
