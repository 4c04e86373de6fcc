"""A plugged host as parts: the host as one, and what is plugged in at each of its sites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d
from plugnas.space.host.errors import HostError
from plugnas.space.host.host import Host
from plugnas.space.host.layers import conv_from
from plugnas.space.host.plugs import (
    Placement,
    Plug,
    Start,
    build_plug,
    build_replacement,
)
from plugnas.space.host.records import HostSite
from plugnas.space.network import Part
from plugnas.space.piece import Piece, Shape

HOST = "host"


@dataclass(frozen=True)
class HostSpec:
    """The host itself, whole."""

    name: str
    digest: str
    classes: int
    host: Host | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> str:
        """Canonical text of the host."""
        return f"host {self.name} {self.digest} classes={self.classes}"

    def build(self, shape: Shape) -> nn.Module:
        """Return the unplugged host, images (B, C, H, W) -> whatever it returns.

        Raises:
            HostError: the space was read from a record, without the host's code.
        """
        if self.host is None:
            raise HostError(f"{self.name} is known by its record alone; its code is needed here")
        return self.host.network()

    def pieces(self, shape: Shape) -> tuple[Piece, ...]:
        """Return the host as one piece."""
        return (Piece(self.key, (shape,), partial(self.build, shape)),)


@dataclass(frozen=True)
class PlugSpec:
    """What is plugged in at one path: what replaces it, and what comes after, in order."""

    site: HostSite = field(repr=False)
    placements: tuple[Placement, ...]
    start: Start
    host: Host | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> str:
        """Canonical text of what is plugged in, whatever its path."""
        words = [f"{p.how} {p.slot} {p.choice.text}" for p in self.placements]
        return f"plug {self.start} {self.site.kind}: {', '.join(words)}"

    def build(self, shape: Shape) -> nn.Module:
        """Return what is plugged in, maps (B, C, H, W) -> map, as it runs one after the other."""
        return nn.Sequential(*(self._alone(p) for p in self.placements))

    def _alone(self, placement: Placement) -> nn.Module:
        if placement.how == "replace" and placement.slot == "operator":
            return build_replacement(placement, self.site, self.start)
        return build_plug(placement, self.site, self.start)

    def pieces(self, shape: Shape) -> tuple[Piece, ...]:
        """Return what comes to the host and, with ``times`` = -1, what goes."""
        replaced = next((p for p in self.placements if p.how == "replace"), None)
        followed = any(p.how == "after" for p in self.placements)
        found: list[Piece] = []
        if replaced is not None and replaced.slot == "activation":
            found += self._activation(replaced)
        elif replaced is not None or (followed and self.site.norm is not None):
            found += self._convolution(replaced, followed=followed)
        for p in self.placements:
            if p.how == "after":
                key = f"plug {self.start} after {p.slot} {p.choice.text}"
                build = partial(build_plug, p, self.site, self.start)
                found.append(Piece(key, (self.site.map_out,), build))
        return tuple(found)

    def _activation(self, placement: Placement) -> list[Piece]:
        maps, text = self.site.maps_out, placement.choice.text
        if self.start == "identity":  # the host's activation goes on computing
            build = partial(_beside, placement, self.site)
            return [Piece(f"plug beside {text}", maps, build)]
        new = partial(_every, partial(build_replacement, placement, self.site, self.start))
        key = f"activation {self.site.kind}"
        if self.site.kind not in _PLAIN_ACTIVATIONS:
            key += f" of {self.host.trace.digest if self.host else ''}"
        return [
            Piece(f"plug plain {text}", maps, new),
            Piece(key, maps, partial(_every, self._old), times=-1),
        ]

    def _old(self) -> nn.Module:
        """Return the activation that is replaced."""
        if self.site.kind in _PLAIN_ACTIVATIONS:
            plain: nn.Module = getattr(nn, self.site.kind)()
            return plain
        if self.host is None:
            raise HostError(f"what `{self.site.path}` costs is known with the host's code alone")
        return self.host.network().get_submodule(self.site.path)

    def _convolution(self, replaced: Placement | None, *, followed: bool) -> list[Piece]:
        """Return the change at a convolution; a norm behind it is folded where nothing is between.

        A plug between a convolution and its norm keeps the two apart in the deploy form.
        """
        site = self.site
        if site.conv is None or site.map_in is None:
            raise HostError(f"`{site.path}` is no convolution")
        old = partial(conv_from, site.conv)
        new: Callable[[], nn.Module] = old
        text = ""
        if replaced is not None:
            new = partial(build_replacement, replaced, site, self.start)
            text = f" {self.start} {replaced.choice.text}"
        width = site.conv.out_channels
        normed = site.norm is not None
        name = f"{site.kind}{' bias' if site.conv.bias else ''} {site.conv.padding}"
        gone = Piece(
            f"host {name}{' and norm' if normed else ''}", (site.map_in,),
            partial(_chain, old, width if normed else None), times=-1,
        )  # fmt: skip
        if normed and followed:
            norm = Piece(f"host norm {width}", (site.map_out,), partial(BatchNorm2d, width))
            return [gone, Piece(f"host {name}{text} alone", (site.map_in,), new), norm]
        build = partial(_chain, new, width if normed else None)
        return [gone, Piece(f"host {name}{text} folded {normed}", (site.map_in,), build)]


# Activations that have one form alone, so that they need no code of the host.
_PLAIN_ACTIVATIONS = frozenset({"ReLU", "ReLU6", "SiLU", "Hardswish", "Hardsigmoid", "Mish"})


class _Every(nn.Module):
    """One module called once for each map, as the host calls a module several times."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *maps: Tensor) -> tuple[Any, ...]:
        return tuple(self.module(x) for x in maps)


class _Beside(_Every):
    """A plug beside the host's module: it reads what enters and what the host makes of it."""

    def forward(self, *maps: Tensor) -> tuple[Any, ...]:
        return tuple(self.module(x, x) for x in maps)


def _every(build: Callable[[], nn.Module]) -> nn.Module:
    return _Every(build())


def _beside(placement: Placement, site: HostSite) -> nn.Module:
    plug: Plug = build_plug(placement, site, "identity")
    return _Beside(plug)


def _chain(build: Callable[[], nn.Module], norm: int | None) -> nn.Module:
    return build() if norm is None else nn.Sequential(build(), BatchNorm2d(norm))


def host_part(host: Host | None, name: str, digest: str, classes: int, shape: Shape) -> Part:
    """Return the host as a part.

    Args:
        host: the host, None where its code is not at hand.
        name: what it is called.
        digest: digits that change with the host.
        classes: how many classes it tells apart.
        shape: (C, H, W) of an image.
    """
    return Part(HOST, HostSpec(name, digest, classes, host), shape)


def plug_part(
    site: HostSite, placements: tuple[Placement, ...], start: Start, host: Host | None
) -> Part:
    """Return what stands at one path as a part.

    Args:
        site: the place in the host.
        placements: what stands there, in the order in which it runs.
        start: `identity` or `plain`.
        host: the host, None where its code is not at hand.
    """
    shape = site.map_in if placements[0].slot == "operator" and site.map_in else site.map_out
    return Part(site.path, PlugSpec(site, placements, start, host), shape)
