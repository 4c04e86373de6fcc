"""Plugging: modules stand at sites of a host, and no key of the host is renamed.

What comes after a submodule runs as its forward hook and lives in one child of the network,
``plugs``; the submodule itself stays where and what it was. Wrapping it would rename its keys, a
child of its own would be run by an ``nn.Sequential``, and a class made at run time would not be
pickled. A hook object holds its plug, so that ``copy.deepcopy``, ``torch.save``, ``torch.export``
and the ONNX exporter see one network; ``modules.fuse`` moves it where a batch norm is folded. Only
``nn.DataParallel``, which copies hooks without their modules, does not take plugged networks;
``DistributedDataParallel`` does.

What replaces a submodule stands at its path, one step below (``layer3.0.conv2.plug``), so that
none of its keys is taken for one of the host.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from plugnas.space.host.errors import HostError
from plugnas.space.host.plugs import (
    Placement,
    Plug,
    Replacement,
    Start,
    build_plug,
    build_replacement,
)
from plugnas.space.host.records import HostSite, HostTrace

PLUGS = "plugs"


class Plugs(nn.ModuleDict):
    """The plugs of a network; in a chain of modules (an ``nn.Sequential``) it lets all pass."""

    def forward(self, x: Any) -> Any:
        """Return the input: a root that runs its children one by one meets this one too."""
        return x


class _After:
    """The forward hook of a plug; ``modules.fuse`` may move it with the output that it reads."""

    reads_output_alone = True

    def __init__(self, plug: Plug) -> None:
        self.plug = plug

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        y: Tensor = self.plug(output)
        return y


class _Beside(_After):
    """The forward hook of a plug that reads the site's input too."""

    reads_output_alone = False

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        y: Tensor = self.plug(output, inputs[0])
        return y


# --- plugging in --------------------------------------------------------------------------------


def plug_in(
    model: nn.Module, trace: HostTrace, placements: Iterable[Placement], start: Start = "identity"
) -> nn.Module:
    """Plug modules into a host, in place, and return it.

    Args:
        model: the network that was traced; its weights are there already.
        trace: its sites.
        placements: what stands where; several at one site run in this order.
        start: ``identity``: no output of the network changes; ``plain``: y = m(x) at once.

    Raises:
        HostError: no such site, a slot that does not fit there, a place taken twice.
        RefusedError: a module refuses its site.
    """
    placed = list(placements)
    _check(model, trace, placed)
    for placement in sorted(placed, key=lambda p: p.how == "after"):  # what is replaced, first
        site = trace.by_path[placement.path]
        if placement.how == "replace" and not stands_beside(placement, start):
            _replace(model, placement, site, start)
        else:
            _hook(model, placement, site, start)
    return model


def plugged_keys(model: nn.Module) -> list[str]:
    """Return the names of the parameters and buffers that were plugged in."""
    inside = [f"{PLUGS}."] if isinstance(getattr(model, PLUGS, None), Plugs) else []
    inside += [f"{n}." for n, m in model.named_modules() if isinstance(m, Replacement)]
    return [key for key in model.state_dict() if key.startswith(tuple(inside))] if inside else []


def gates(model: nn.Module) -> dict[str, Tensor]:
    """Return the gate of every plug that has one, by the plug's name."""
    held = getattr(model, PLUGS, None)
    if not isinstance(held, Plugs):
        return {}
    return {name: plug.gate for name, plug in held.items() if isinstance(plug.gate, nn.Parameter)}


def _check(model: nn.Module, trace: HostTrace, placements: list[Placement]) -> None:
    if hasattr(model, PLUGS) and not isinstance(getattr(model, PLUGS), Plugs):
        raise HostError(f"the host has an attribute `{PLUGS}` of its own, where plugs would stand")
    replaced = set()
    for p in placements:
        site = trace.by_path.get(p.path)
        if site is None:
            raise HostError(f"`{p.path}` is no site of the host; see `nas sites`")
        if p.slot not in (site.after if p.how == "after" else site.replace):
            raise HostError(f"slot `{p.slot}` does not fit {p.how} `{p.path}` ({site.kind})")
        if p.how == "replace" and p.path in replaced:
            raise HostError(f"two modules are given for one place: {p.text}")
        replaced.add(p.path if p.how == "replace" else "")


def stands_beside(placement: Placement, start: Start) -> bool:
    """Whether the host's module goes on computing under the gate: an activation does."""
    return placement.slot == "activation" and start == "identity"


def _replace(model: nn.Module, placement: Placement, site: HostSite, start: Start) -> None:
    above, _, name = placement.path.rpartition(".")
    parent, old = model.get_submodule(above), model.get_submodule(placement.path)
    new = build_replacement(placement, site, start, old)
    parent._modules[name] = _like(model, new).train(old.training)


def _hook(model: nn.Module, placement: Placement, site: HostSite, start: Start) -> None:
    target = model.get_submodule(placement.path)
    beside = placement.how == "replace"
    plug = build_plug(placement, site, start, target if beside else None)
    plug = _like(model, plug).train(target.training)
    if not hasattr(model, PLUGS):
        model.add_module(PLUGS, Plugs())
    held: Any = getattr(model, PLUGS)
    held[free_name(placement.name, held)] = plug
    if beside and getattr(target, "inplace", False):
        target.inplace = False  # type: ignore[assignment]  # the plug reads the input afterwards
    target.register_forward_hook(_Beside(plug) if beside else _After(plug))


def free_name(name: str, held: Container[str]) -> str:
    """Return the name, with a number behind it where several plugs of a slot follow a site."""
    numbered = (f"{name}-{n}" for n in itertools.count(2))
    return next(n for n in itertools.chain([name], numbered) if n not in held)


def _like(model: nn.Module, new: Any) -> Any:
    """Move what is new to the device and type of the host's weights."""
    weights = (p for p in model.parameters() if p.is_floating_point())
    first = next((w for w in weights if w.device.type != "meta"), None)
    return new if first is None else new.to(device=first.device, dtype=first.dtype)


def hooked(model: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield site, name and plug of everything that runs as a hook, in order."""
    names = {plug: name for name, plug in getattr(model, PLUGS, {}).items()}
    for path, module in model.named_modules():
        for hook in module._forward_hooks.values():
            if isinstance(hook, _After):
                yield path, names[hook.plug], hook.plug
