"""Plugging: modules stand at sites of a host, and no key of the host is renamed.

What comes after a submodule runs as its forward hook and lives in one child of the network,
``plugs``; the submodule itself stays where and what it was. Wrapping it would rename its keys, a
child of its own would be run twice by an ``nn.Sequential``, and a class made at run time would not
be pickled. A hook object holds its plug, so that ``copy.deepcopy``, ``torch.save``, ``torch.export``
and the ONNX exporter see one network; ``modules.fuse`` moves it where a batch norm is folded. Only
``nn.DataParallel``, which copies hooks without their modules, does not take plugged networks;
``DistributedDataParallel`` does.

What replaces a submodule stands at its path, one step below (``layer3.0.conv2.plug``), so that
none of its keys is taken for one of the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import PlugnasError, Site
from plugnas.space import adapters
from plugnas.space.host.errors import HostError
from plugnas.space.host.layers import conv_from
from plugnas.space.host.records import Conv, HostSite, HostTrace, How, Map
from plugnas.space.options import Choice

Start = Literal["identity", "plain"]
PLUGS = "plugs"
_PROBE = 16  # rows and columns of the map on which a fresh module is tried


@dataclass(frozen=True)
class Placement:
    """One module at one site: ``after`` it, or in its place."""

    how: How
    path: str
    slot: str
    choice: Choice

    @property
    def name(self) -> str:
        """The name of the plug among the network's ``plugs``; a name has no dots."""
        return f"{self.path.replace('.', '-')}-{self.slot}"

    @property
    def text(self) -> str:
        """``se(reduction=8) after layer3``."""
        word = "after" if self.how == "after" else "in place of"
        return f"{self.choice.text} {word} {self.path}"


class Plug(nn.Module):
    """y = h + g (m(x) - h), with g of one number per channel; y = m(x) without a gate.

    h is what the host computes at the site and x what m reads: h itself after a site, the site's
    own input where m stands beside the host's module. h, x (B, C, H, W) -> the same.
    """

    def __init__(self, module: nn.Module, gate: Tensor | None) -> None:
        super().__init__()
        self.module = module
        self.gate = None if gate is None else nn.Parameter(gate)

    def forward(self, h: Tensor, x: Tensor | None = None) -> Tensor:
        y = self.module(h if x is None else x).to(h.dtype)
        if self.gate is not None:
            return torch.addcmul(h, self.gate.to(h.dtype), y - h)
        # The host may go on in place (`out += x`), which what m keeps for its gradient must survive.
        return y.clone() if torch.is_grad_enabled() else y


class Plugs(nn.ModuleDict):
    """The plugs of a network; in a chain of modules (an ``nn.Sequential``) it lets all pass."""

    def forward(self, x: Any) -> Any:
        """Return the input: a root that runs its children one by one meets this one too."""
        return x


class Replacement(nn.Module):
    """Stands where a submodule of the host stood; the module that replaces it is ``plug``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.plug = module

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.plug(x)
        return y

    def fuse(self) -> nn.Module:
        """Return the module without this step, in its deploy form."""
        return self.plug


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
        if placement.how == "replace" and not _stands_beside(placement, start):
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
    return {name: plug.gate for name, plug in held.items() if isinstance(plug.gate, nn.Parameter)}  # type: ignore[misc]


def _check(model: nn.Module, trace: HostTrace, placements: list[Placement]) -> None:
    if hasattr(model, PLUGS) and not isinstance(getattr(model, PLUGS), Plugs):
        raise HostError(f"the host has an attribute `{PLUGS}` of its own, where plugs would stand")
    seen = set(getattr(model, PLUGS, ()))
    for p in placements:
        site = trace.by_path.get(p.path)
        if site is None:
            raise HostError(f"`{p.path}` is no site of the host; see `nas sites`")
        if p.slot not in (site.after if p.how == "after" else site.replace):
            raise HostError(f"slot `{p.slot}` does not fit {p.how} `{p.path}` ({site.kind})")
        name = p.name if p.how == "after" else p.path
        if name in seen:
            raise HostError(f"two modules are given for one place: {p.text}, slot `{p.slot}`")
        seen.add(name)


def _stands_beside(placement: Placement, start: Start) -> bool:
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
    held[placement.name] = plug
    if beside and getattr(target, "inplace", False):
        target.inplace = False  # type: ignore[assignment]  # the plug reads the input afterwards
    target.register_forward_hook(_Beside(plug) if beside else _After(plug))


def _like(model: nn.Module, new: Any) -> Any:
    """Move what is new to the device and type of the host's weights."""
    weights = (p for p in model.parameters() if p.is_floating_point())
    first = next((w for w in weights if w.device.type != "meta"), None)
    return new if first is None else new.to(device=first.device, dtype=first.dtype)


# --- building -----------------------------------------------------------------------------------


def site_of(placement: Placement, site: HostSite) -> Site:
    """Return the site of the zoo's modules for a placement."""
    if placement.slot == "operator" and placement.how == "replace":
        if site.conv is None or site.map_in is None:
            raise HostError(f"`{site.path}` is no convolution that could be replaced")
        return Site(*site.map_in, stride=site.conv.stride[0], out_channels=site.conv.out_channels)
    return Site(*site.map_out)


def build_module(placement: Placement, site: HostSite) -> nn.Module:
    """Build the module of a placement with fresh weights."""
    entry = modules.get(placement.choice.key)
    return adapters.build(
        entry, placement.slot, site_of(placement, site), dict(placement.choice.setting)
    )


def build_plug(
    placement: Placement, site: HostSite, start: Start, beside: nn.Module | None = None
) -> Plug:
    """Build what runs after a site, or beside the host's module there.

    The gate begins at 0; where the fresh module already gives the host's output, at 1: there the
    output is the same, and at 0 neither the gate nor the module would ever get a gradient.
    """
    module = build_module(placement, site)
    if start == "plain":
        return Plug(module, None)
    width = site.map_out[0] if site.one_width else 1
    gate = torch.zeros(width, 1, 1)
    if site.one_width and not gate.is_meta:
        gate += _unchanged(module, site.map_out, beside)
    return Plug(module, gate)


def build_replacement(
    placement: Placement, site: HostSite, start: Start, old: nn.Module | None = None
) -> nn.Module:
    """Build what takes a submodule's place, with its weights where the module can hold them."""
    module = build_module(placement, site)
    if start == "identity" and site.conv is not None:
        adopt(module, site.conv, old)
    return Replacement(module)


def adopt(module: nn.Module, conv: Conv, old: nn.Module | None = None) -> bool:
    """Let a fresh operator compute what a plain convolution did; return whether it can."""
    take = getattr(module, "adopt", None)
    if take is None or not conv.plain:
        return False
    try:
        take(conv_from(conv) if old is None else old)
    except PlugnasError:
        return False
    return True


@torch.no_grad()
def _unchanged(module: nn.Module, shape: Map, beside: nn.Module | None) -> Tensor:
    """Return per channel whether a fresh module gives the host's output itself, (C, 1, 1)."""
    channels, height, width = shape
    size = (2, channels, min(height, _PROBE), min(width, _PROBE))
    count = size[0] * size[1] * size[2] * size[3]
    x = (3 * torch.sin(torch.arange(count) * 12.9898)).reshape(size)
    was_training = module.training
    with torch.random.fork_rng(devices=[]):
        y = module.eval()(x)
        h = x if beside is None else _of_host(beside, x)
    module.train(was_training)
    return (y == h).flatten(2).all(2).all(0).float()[:, None, None]


def _of_host(module: nn.Module, x: Tensor) -> Tensor:
    """Return what a host's module, wherever its weights are, makes of a probe."""
    weight = next(module.parameters(), x)
    y: Tensor = module(x.clone().to(weight.device, weight.dtype))
    return y.to(x.device, x.dtype)


def hooked(model: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield site, name and plug of everything that runs as a hook, in order."""
    names = {plug: name for name, plug in getattr(model, PLUGS, {}).items()}
    for path, module in model.named_modules():
        for hook in module._forward_hooks.values():
            if isinstance(hook, _After):
                yield path, names[hook.plug], hook.plug
