"""What one traced forward found in a host, as plain data that a run directory keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import msgspec

Map = tuple[int, int, int]  # (C, H, W)
How = Literal["after", "replace"]


class Conv(msgspec.Struct, frozen=True):
    """A convolution that could be replaced; ``plain`` says that it is torch's own, no subclass."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    dilation: tuple[int, int]
    groups: int
    bias: bool
    padding_mode: str = "zeros"
    plain: bool = True

    @property
    def text(self) -> str:
        """``conv 64 -> 128 3x3 stride 2``."""
        words = [f"conv {self.in_channels} -> {self.out_channels} {_by(self.kernel_size)}"]
        for name, plain in (("stride", (1, 1)), ("dilation", (1, 1))):
            value = getattr(self, name)
            if value != plain:
                words.append(f"{name} {value[0] if value[0] == value[1] else _by(value)}")
        return " ".join(words + ([f"groups {self.groups}"] if self.groups > 1 else []))


class HostSite(msgspec.Struct, frozen=True):
    """A submodule of the host that can be followed or replaced.

    ``maps_in`` and ``maps_out`` are the (C, H, W) of every call, in order. ``after`` and
    ``replace`` are the slots whose modules fit; ``why_not`` says, by slot, why others do not.
    ``norm`` is the batch norm that is folded into this convolution for deployment.
    """

    path: str
    kind: str
    maps_in: tuple[Map | None, ...]
    maps_out: tuple[Map, ...]
    after: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    why_not: dict[str, str] = {}
    conv: Conv | None = None
    norm: str | None = None

    @property
    def calls(self) -> int:
        """How often one forward calls it."""
        return len(self.maps_out)

    @property
    def map_in(self) -> Map | None:
        """The (C, H, W) that enters at the first call."""
        return self.maps_in[0]

    @property
    def map_out(self) -> Map:
        """The (C, H, W) that leaves at the first call."""
        return self.maps_out[0]

    @property
    def one_width(self) -> bool:
        """Whether the maps of all calls have as many channels."""
        return len({shape[0] for shape in self.maps_out}) == 1


class NoSite(msgspec.Struct, frozen=True):
    """A submodule that cannot be a site, and why."""

    path: str
    kind: str
    reason: str


class HostTrace(msgspec.Struct, frozen=True, dict=True):
    """A host as traced: its sites, what is none, its classifiers, and what was said on the way.

    ``counts`` is what the whole host costs, kept here by whoever counts it, so that a run can be
    read without the host's code.
    """

    name: str
    digest: str
    input_shape: Map
    sites: tuple[HostSite, ...]
    no_sites: tuple[NoSite, ...] = ()
    classifiers: tuple[str, ...] = ()
    outputs: int | None = None
    output_text: str = ""
    notes: tuple[str, ...] = ()
    counts: dict[str, int] | None = None

    @cached_property
    def by_path(self) -> dict[str, HostSite]:
        """The sites by their paths."""
        return {site.path: site for site in self.sites}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data

    @classmethod
    def from_dict(cls, data: Any) -> HostTrace:
        """Read what ``to_dict`` gave.

        Raises:
            HostError: the data is no trace of a host.
        """
        from plugnas.space.host.errors import HostError

        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise HostError(f"this is no record of a traced host: {error}") from None


def digest_of(values: Sequence[Any]) -> str:
    """Return eight hexadecimal digits that change with the values."""
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:8]


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"
