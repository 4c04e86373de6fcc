"""A plugged host as it is exported: where it comes from, and what stands where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from plugnas.nas.export.errors import ExportError
from plugnas.space import Architecture, SearchSpace
from plugnas.space.host import HostSource, HostTrace, Placement
from plugnas.space.host.plugs import Start

_TAKEN = ("model.py", "train.py")  # names that an export has files of its own for


@dataclass(frozen=True)
class Hosted:
    """The host of an exported network and its plugs.

    ``refits`` says that the classifier was replaced for another number of classes.
    """

    source: HostSource
    trace: HostTrace
    refits: bool
    start: Start
    placements: tuple[Placement, ...]

    @property
    def module_keys(self) -> set[str]:
        """The keys of the zoo that are plugged in."""
        return {p.choice.key for p in self.placements}

    @property
    def stride(self) -> int:
        """How much smaller than the image the smallest map of the host is."""
        height = self.trace.input_shape[1]
        smallest = min((s.map_out[1] for s in self.trace.sites if s.map_out[1] > 1), default=height)
        return max(1, height // smallest)

    @property
    def file(self) -> Path | None:
        """The Python file that defines the host, if it is one; it travels with the export."""
        head = self.source.model.rpartition(":")[0]
        return (self.source.base / head).resolve() if head.endswith(".py") else None

    @property
    def file_name(self) -> str | None:
        """The name under which that file travels."""
        if self.file is None:
            return None
        return f"host_{self.file.name}" if self.file.name in _TAKEN else self.file.name

    @property
    def package(self) -> str | None:
        """The package that must be installed for the host's constructor."""
        head = self.source.model.rpartition(":")[0]
        return None if self.file is not None else head.partition(".")[0]

    def fresh(self, network: nn.Module) -> HostSource:
        """Return the source without its weights, from which a network of these keys is built.

        Where the library's own weights come with other keys (an auxiliary head), they stay asked
        for.
        """
        bare = HostSource(self.source.model, self.source.arguments, None, self.source.base)
        places = ("plugs.", *(f"{p.path}." for p in self.placements if p.how == "replace"))
        known, wanted = (
            {key for key in model.state_dict() if not key.startswith(places)}
            for model in (network, bare.build_light())
        )
        return bare if known == wanted else self.source


def hosted(space: SearchSpace, architecture: Architecture) -> Hosted | None:
    """Return the host of an architecture; None where it is a skeleton's.

    Raises:
        ExportError: the space was read from a record, without the host's code.
    """
    blueprint = space.host
    if blueprint is None:
        return None
    if blueprint.host is None:
        raise ExportError("the export of a plugged host needs the code of the host")
    placed = blueprint.placements(architecture.values)
    return Hosted(
        blueprint.host.source,
        blueprint.trace,
        blueprint.host.refits,
        blueprint.start,
        tuple(sorted(placed, key=lambda p: p.how == "after")),
    )


__all__ = ["Hosted", "hosted"]
