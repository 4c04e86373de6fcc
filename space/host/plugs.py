"""What is plugged in at one place: a gated plug, or a module in the place of another."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import AdoptError, Site
from plugnas.space import adapters
from plugnas.space.host.errors import HostError
from plugnas.space.host.layers import conv_from
from plugnas.space.host.records import HostSite, How, Map
from plugnas.space.options import Choice

Start = Literal["identity", "plain"]
_PROBE = 16  # a fresh module is tried on maps of up to so many rows and columns, and 16 x 16 values


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
        # The host may go on in place (`out += x`); what m keeps for its gradient must survive.
        return y.clone() if torch.is_grad_enabled() else y


class Replacement(nn.Module):
    """Stands where a submodule of the host stood; the module that replaces it is ``plug``.

    ``bias`` is that of a convolution whose place is taken by an operator without one.
    """

    def __init__(self, module: nn.Module, bias: Tensor | None = None) -> None:
        super().__init__()
        self.plug = module
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.plug(x)
        return y if self.bias is None else y + self.bias[:, None, None].to(y.dtype)

    def fuse(self) -> nn.Module:
        """Return the module without this step, in its deploy form."""
        if self.bias is not None and (
            type(self.plug) is not nn.Conv2d or self.plug.bias is not None
        ):
            return self
        if self.bias is not None:
            self.plug.bias = self.bias
        return self.plug


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

    Args:
        placement: the module and where it stands.
        site: the place in the host.
        start: `identity` or `plain`.
        beside: the host's own module, where the plug runs beside it.
    """
    module = build_module(placement, site)
    if start == "plain":
        return Plug(module, None)
    gate = torch.zeros(site.map_out[0] if site.one_width else 1, 1, 1)
    if not gate.is_meta and _begins_unchanged(module, site.map_out, beside):
        gate += 1
    return Plug(module, gate)


def build_replacement(
    placement: Placement, site: HostSite, start: Start, old: nn.Module | None = None
) -> nn.Module:
    """Build what takes a submodule's place, with its weights where the module can hold them.

    Args:
        placement: the module and where it stands.
        site: the place in the host.
        start: `identity` or `plain`.
        old: the module that is replaced.
    """
    if start == "identity" and site.conv is not None and site.conv.plain:
        conv: Any = conv_from(site.conv) if old is None else old
        for adopted in (conv, _without_bias(conv)):
            module: Any = build_module(placement, site).to(dtype=conv.weight.dtype)
            try:
                module.adopt(adopted)
            except (AdoptError, AttributeError):  # an operator that begins with weights of its own
                continue
            return Replacement(module, conv.bias if adopted is not conv else None)
    return Replacement(build_module(placement, site))


def why_lost(placement: Placement, site: HostSite) -> str | None:
    """Return why a replaced convolution's weights are lost, or None where they are kept."""
    if site.conv is None:
        return None
    entry, setting = modules.get(placement.choice.key), dict(placement.choice.setting)
    with torch.device("meta"):
        conv = conv_from(site.conv)
        bare = _without_bias(conv)
    if not site.conv.plain:
        return "the convolution is no plain one: its weights are lost"
    return modules.can_adopt(entry, setting, bare)


def _without_bias(conv: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution that shares the weight of another and has no bias."""
    if conv.bias is None:
        return conv
    bare = copy.copy(conv)
    bare._parameters = {**conv._parameters, "bias": None}
    return bare


@torch.no_grad()
def _begins_unchanged(module: nn.Module, shape: Map, beside: nn.Module | None) -> bool:
    """Whether a fresh module gives the host's output itself, on some numbers and in float64."""
    channels, height, width = shape
    rows, columns = min(height, _PROBE), min(width, _PROBE)
    size = (max(2, _PROBE**2 // (rows * columns)), channels, rows, columns)
    x = 3 * torch.sin(torch.arange(math.prod(size), dtype=torch.float64) * 12.9898).reshape(size)
    with torch.random.fork_rng(devices=[]):
        expected = x if beside is None else _of_host(beside, x)
        try:
            probe = copy.deepcopy(module).double().eval()
            # One image first: it decides for most modules, and of small maps there are many.
            return all(
                torch.equal(probe(x[part]), expected[part]) for part in (slice(1), slice(1, None))
            )
        except RuntimeError:  # a module that needs another type, or the site's own size
            return False


def _of_host(module: nn.Module, x: Tensor) -> Tensor:
    """Return what a host's module, wherever its weights are, makes of a probe."""
    y: Tensor = copy.deepcopy(module).to(x.device, x.dtype)(x.clone())
    return y
