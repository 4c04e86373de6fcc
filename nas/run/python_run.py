"""The directory of a search from Python, which has no job; and opening a run of either kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import yaml

from plugnas.nas.ledger.fitting import is_settled, recorded_space
from plugnas.nas.run.files import LEDGER, RunError, RunFiles
from plugnas.space import SearchSpace

if TYPE_CHECKING:  # a job's directory needs torch
    from plugnas.nas.run.directory import RunDirectory


@dataclass(frozen=True)
class PythonRun(RunFiles):
    """The directory of a search from Python: its ledger alone tells of it.

    It searched by no table of latencies (``latency_file``).
    """

    path: Path
    latency_file: None = None

    @cached_property
    def _asked(self) -> Mapping[str, Any]:
        """What was asked for, by the last session that says so."""
        return {name: value for header in self.contents.headers for name, value in header.items()}

    @property
    def objectives(self) -> Mapping[str, str]:
        """What was searched for: name -> ``max`` or ``min``."""
        if "objectives" not in self._asked:
            raise RunError(
                f"{self.path} has no job.yaml, and the header of its {LEDGER} names no objectives: "
                "nothing tells what was searched for"
            )
        return dict(self._asked["objectives"])

    @property
    def budget(self) -> Mapping[str, float]:
        """Cost -> its hard upper limit."""
        return dict(self._asked.get("budget", {}))

    @property
    def top_rung(self) -> int:
        """The highest rung asked for; of an older ledger, the highest recorded."""
        recorded = max((record.rung for record in self.contents.records), default=0)
        return int(self._asked["rungs"]) - 1 if "rungs" in self._asked else recorded

    @property
    def text(self) -> str:
        """What was asked for, as YAML to read."""
        left = ("ledger", "versions", "host", "pid", "time", "left_out", "counted_with")
        told = {name: value for name, value in self._asked.items() if name not in left}
        space = {p.name: list(p.choices) for p in self.space().parameters}
        return yaml.safe_dump({**told, "parameters": space}, sort_keys=False, allow_unicode=True)

    @property
    def told(self) -> dict[str, Any]:
        """What a report tells of where the run was made; it has no images."""
        return {name: self._asked[name] for name in ("host", "versions") if name in self._asked}

    def space(self) -> SearchSpace:
        """Return the space as the ledger names it; no code of its owner is run."""
        return recorded_space(self.contents)


Run: TypeAlias = Union["RunDirectory", PythonRun]


def read_run(path: Path | str) -> Run:
    """Open the directory of an earlier run: of a job, or of a search from Python.

    Raises:
        RunError: no run there. ConfigError: its job.yaml is damaged. LedgerError: its ledger is.
    """
    path = Path(path)
    if (path / "job.yaml").exists() or not (path / LEDGER).exists():
        from plugnas.nas.run.directory import RunDirectory

        return RunDirectory.read(path)
    return PythonRun(path)


def read_figures(path: Path | str) -> Run:
    """Open a run for its figures alone: by its ledger, where that tells all that its job does.

    That is so where the last session counted with today's sources and measured something. Neither
    the job nor its space is compiled then, so that it takes no torch.

    Raises:
        PlugnasError: as ``read_run``.
    """
    recorded = PythonRun(Path(path))
    contents = recorded.contents
    told = contents.headers[-1] if contents.headers else {}
    if contents.records and is_settled(contents) and {"objectives", "rungs"} <= told.keys():
        return recorded
    return read_run(path)


def claim_for_python(path: Path | str) -> PythonRun:
    """Return the directory for a search from Python: a new one, or that of an earlier such search.

    Raises:
        RunError: it is the directory of a job's run.
    """
    if (Path(path) / "job.yaml").exists():
        raise RunError(
            f"{path} is the run of a job (it has a job.yaml), and a search from Python must not "
            "add to it; choose another run_dir"
        )
    return PythonRun(Path(path))


__all__ = ["PythonRun", "Run", "claim_for_python", "read_figures", "read_run"]
