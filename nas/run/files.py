"""Where the files of a run lie, of a job's search and of one from Python alike."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from plugnas.modules.errors import PlugnasError
from plugnas.nas.ledger.lines import LEDGER, Contents, read


class RunError(PlugnasError):
    """A run directory that is not there, is another job's, or cannot be written."""


class RunFiles:
    """Where the files of every run directory lie."""

    path: Path

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.path / LEDGER

    @cached_property
    def contents(self) -> Contents:
        """The ledger as it lies on disk, read once; empty where there is none."""
        return read(self.ledger) if self.ledger.exists() else Contents()

    @property
    def costs(self) -> Path:
        """The file of part costs counted so far."""
        return self.path / "costs.json"

    @property
    def examples(self) -> Path:
        """Some validation images with their masks, where the task is about masks."""
        return self.path / "examples.npz"

    @property
    def host(self) -> Path:
        """The record of the host's sites, by which a run is read without the host's code."""
        return self.path / "host.json"

    def looks(self, architecture: str) -> Path:
        """The picture of where the plugs of an exported network look, by its id."""
        return self.path / "looks" / f"{architecture}.png"


__all__ = ["LEDGER", "RunError", "RunFiles"]
