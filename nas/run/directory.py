"""A run's directory: the job as run, the facts it rests on, and where everything lies."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from plugnas import modules
from plugnas.modules import did_you_mean
from plugnas.nas.job.compiled import space_of
from plugnas.nas.job.config import Job, parse
from plugnas.nas.job.settings import as_data
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import read_json, read_text
from plugnas.nas.machine.versions import versions
from plugnas.nas.run.files import LEDGER, RunError, RunFiles
from plugnas.space import SearchSpace
from plugnas.space.host import HostTrace
from plugnas.space.sizes import Head
from plugnas.space.training import plain, varied
from plugnas.space.typed import ConfigError, convert, read_yaml


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run rests on besides the job: enough to read it without its data."""

    base: str
    input_shape: tuple[int, int, int]
    classes: list[str]
    outputs: int | None = None  # of the network, where it is not one for each class
    head: Head = "pooled"  # what a skeleton ends in
    mean: list[float]
    std: list[float]
    data: str
    device: str
    images: dict[str, int] = {}  # of each part; empty in runs of version 0.1
    host: str = ""
    versions: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many outputs the network has."""
        return len(self.classes) if self.outputs is None else self.outputs

    @property
    def told(self) -> dict[str, Any]:
        """What a report tells of where a run was made and of its images."""
        return {
            "device": self.device,
            "host": self.host,
            "versions": dict(self.versions),
            "images": f"{'x'.join(map(str, self.input_shape))}, {len(self.classes)} classes",
            "data": self.data,
        }


@dataclass(frozen=True)
class RunDirectory(RunFiles):
    """The directory of a job's search."""

    path: Path
    job: Job
    facts: Facts

    @property
    def told(self) -> dict[str, Any]:
        """What a report tells of where the run was made and of its images."""
        return self.facts.told

    @property
    def base(self) -> Path:
        """The folder from which the job's paths start."""
        return Path(self.facts.base)

    @property
    def objectives(self) -> Mapping[str, str]:
        """What was searched for: name -> ``max`` or ``min``."""
        return dict(self.job.objectives)

    @property
    def budget(self) -> Mapping[str, float]:
        """Cost -> its hard upper limit."""
        return self.job.limits

    @property
    def top_rung(self) -> int:
        """The highest rung of the job's proxy; the front takes no other."""
        return max(len(self.job.proxy.rungs), 1) - 1

    @property
    def text(self) -> str:
        """The job as run (job.yaml)."""
        return read_text(self.path / "job.yaml")

    @property
    def latency_file(self) -> Path | None:
        """The table of latencies by which the run searched; None where it did not by any."""
        if not self.job.needs_latency:
            return None
        given = None if self.job.latency is None else self.job.latency.table
        return self.path / "latency.json" if given is None else self.base / given

    @property
    def lacks_ledger(self) -> bool:
        """Whether a run was begun here and its ledger is gone, or empty."""
        begun = (self.path / "job.yaml").exists()
        return begun and not (self.ledger.exists() and self.ledger.stat().st_size)

    def space(self) -> SearchSpace:
        """Compile the job's space; what the job imports is imported first."""
        modules.load(self.job.imports, folder=self.base)
        trace = None
        if self.job.space.host is not None:
            trace = _read_host(self.host)
        facts = self.facts
        return space_of(self.job, facts.input_shape, facts.count, trace=trace, head=facts.head)

    def keep_host(self, trace: HostTrace) -> None:
        """Write the record of the host's sites."""
        write_text(self.host, json.dumps(trace.to_dict()))

    @classmethod
    def read(cls, path: Path | str) -> RunDirectory:
        """Open the directory of an earlier run.

        Raises:
            RunError: no run there. ConfigError: its job.yaml is damaged.
        """
        path = Path(path)
        file = path / "job.yaml"
        if not file.exists():
            near = [p.parent.name for p in path.parent.glob("*/job.yaml")]
            hint = "" if path.is_dir() else did_you_mean(path.name, near)
            raise RunError(
                f"{path} is no run directory: it has neither job.yaml nor {LEDGER}, so no search "
                f"has begun there{hint}"
            )
        try:
            data = read_yaml(file)
            facts = data.pop("run", None)
            if "timeout_s" in data:  # its name until version 0.2
                data["evaluation_timeout"] = data.pop("timeout_s")
        except (ConfigError, AttributeError, TypeError):
            raise RunError(
                f"{file} is damaged or cannot be read; restore it, or search into another --run-dir"
            ) from None
        if facts is None:
            raise RunError(
                f"{path} is no run directory: its job.yaml is a job, not the record of a run; "
                "`nas search` makes one (see --run-dir)"
            )
        return cls(path, parse(data, str(file)), convert(facts, Facts, f"{file}: run"))

    @classmethod
    def claim(cls, path: Path | str, job: Job, facts: Facts) -> RunDirectory:
        """Return the directory for a search: a new one, or the same job's. Writes nothing.

        Raises:
            RunError: it holds another job, or something else.
        """
        path = Path(path)
        if (path / "job.yaml").exists():
            _same_job(path, cls.read(path), job, facts)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(f"{path} exists and is no run directory; choose another --run-dir")
        return cls(path, job, facts)

    def write(self) -> None:
        """Write job.yaml, whole or not at all; call it under the directory's lock.

        Raises:
            RunError: the directory cannot be written.
        """
        try:
            write_text(self.path / "job.yaml", _yaml(self.job, self.facts))
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({error.strerror}); choose another --run-dir"
            ) from None


def _read_host(path: Path) -> HostTrace:
    try:
        return read_json(path, HostTrace)
    except (OSError, ValueError):
        raise RunError(
            f"{path} is missing or damaged: it holds the sites of the run's host; `nas search` of "
            "the same job into the same directory writes it again"
        ) from None


def facts_of(
    dataset: Any, base: Path, device: str, outputs: int | None = None, head: Head = "pooled"
) -> Facts:
    """Gather the facts of a run.

    Args:
        dataset: a ``nas.data.Dataset``.
        base: where the job's paths start.
        device: torch's text.
        outputs: how many the network has; None: one for each class.
        head: what a skeleton ends in.
    """
    return Facts(
        base=str(base.resolve()),
        input_shape=dataset.input_shape,
        classes=list(dataset.classes),
        outputs=outputs,
        head=head,
        mean=[float(v) for v in dataset.mean],
        std=[float(v) for v in dataset.std],
        data=dataset.fingerprint,
        device=device,
        images={part: len(dataset.part(part)) for part in ("train", "validation", "test")},
        host=platform.node(),
        versions=versions(),
    )


def _yaml(job: Job, facts: Facts) -> str:
    data: Mapping[str, Any] = {**as_data(job), "run": msgspec.to_builtins(facts)}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _same_job(path: Path, before: RunDirectory, job: Job, facts: Facts) -> None:
    """Trials, workers, sampler and choices may change; what a measurement means may not."""
    names = ("data", "task", "evaluate", "input", "classes", "proxy")
    meant = [(name, getattr(before.job, name), getattr(job, name)) for name in names]
    for name, old, new in [*meant, ("recipe", _settings(before.job), _settings(job))]:
        if old != new:
            place, then, now = _difference(msgspec.to_builtins(old), msgspec.to_builtins(new), name)
            raise RunError(
                f"{path} holds another job: its `{place}` is {then!r}, this job's is {now!r}; "
                "choose another --run-dir"
            )
    if before.facts.data != facts.data:
        raise RunError(f"the images have changed since {path} was begun; choose another --run-dir")


def _settings(job: Job) -> dict[str, Any]:
    """Return what the training settings of a job mean: choices may change, what is chosen not."""
    return {**plain(job.recipe), **dict.fromkeys(varied(job.recipe), "a choice")}


def _difference(old: Any, new: Any, place: str) -> tuple[str, Any, Any]:
    """Return the first place where two plain values differ, and what stands there."""
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        pairs = [(f"{place}.{key}", old[key], new[key]) for key in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(f"{place}[{i}]", *both) for i, both in enumerate(zip(old, new, strict=True))]
    for inner, then, now in pairs:
        if then != now:
            return _difference(then, now, inner)
    return place, old, new
