"""Trainings that stopped where a longer one may go on."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from plugnas.nas.machine.files import write_whole

_FORMAT = 1


@dataclass(frozen=True)
class StateFile:
    """The place of one training's state; a missing, damaged or different one reads as None.

    ``key`` is what the state is valid for (architecture, data, recipe, seed, torch). A folder
    above ``limit`` bytes loses its oldest files.
    """

    folder: Path
    key: str
    limit: int = 2 * 2**30

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / f"{self.key}.pt"

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Return what was saved under this key, or None."""
        try:
            found = torch.load(self.path, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
            return None
        same = isinstance(found, dict) and found.get("about") == self._about()
        return found if same else None

    def write(self, state: dict[str, Any]) -> None:
        """Save a state whole or not at all; on a full disk nothing is saved."""
        with contextlib.suppress(OSError, RuntimeError):
            whole = {**state, "about": self._about()}
            write_whole(self.path, lambda file: torch.save(whole, file))
            self._prune()

    def remove(self) -> None:
        """Forget the state."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _about(self) -> str:
        return f"{_FORMAT}|{self.key}|{torch.__version__}"

    def _prune(self) -> None:
        files = []
        for path in self.folder.glob("*.pt"):
            with contextlib.suppress(OSError):  # another worker may have taken it
                found = path.stat()
                files.append((found.st_mtime, found.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files, key=lambda file: file[0]):
            if total <= self.limit:
                return
            if path != self.path:
                path.unlink(missing_ok=True)
                total -= size
