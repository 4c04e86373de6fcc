"""Earlier runs that inform a search: read, and said in the words of its space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.ledger.lines import LEDGER, Contents, Record, read
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.known.translation import Families, Untranslated, translated
from plugnas.nas.samplers.problem import Problem


class EarlierError(PlugnasError):
    """An earlier run that cannot inform a search."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier run measured, as members of this space, with the values named as here.

    ``exact`` of them are the same architecture in both spaces; ``dropped`` maps why others have no
    counterpart to how many.
    """

    name: str
    measurements: tuple[Measurement, ...]
    exact: int
    dropped: Mapping[str, int]

    @property
    def text(self) -> str:
        """What a search says of it before it begins."""
        kept, left = len(self.measurements), sum(self.dropped.values())
        said = f"from {self.name}: {kept:,} measurements inform the model"
        if kept > self.exact:
            said += f", {kept - self.exact:,} of them by the nearest architecture of this space"
        if left:
            why = max(self.dropped, key=lambda reason: self.dropped[reason])
            said += f"; {left:,} are left out (most often: {why})"
        return said + ". How much they count is learned; 0 where they do not help"


def earlier(path: Path, problem: Problem, *, named: str | None = None) -> Earlier:
    """Read an earlier run for a problem.

    Args:
        path: its directory, or its ledger.
        problem: what is searched now.
        named: how the user wrote the path.

    Raises:
        EarlierError: no run there, nothing in it succeeded, or it has nothing in common.
        LedgerError: its ledger is damaged.
    """
    name = str(path) if named is None else named
    contents = _contents(path, name)
    told, exact, dropped = [], 0, Counter[str]()
    known: dict[str, Any] = {}
    families = _families(contents)
    renamed = _renamed(contents, problem, name)
    for record in contents.records:
        values = dict(_values(record, renamed))
        if record.status != "ok" or (len(values) < len(renamed) and record.signal is None):
            continue
        key = record.architecture.id or str(bytes(record.architecture.values))
        if key not in known:
            known[key] = _translated(record, families, problem)
        if isinstance(known[key], str):
            dropped[known[key]] += 1
            continue
        architecture, same = known[key]
        exact += same
        told.append(
            Measurement(
                record.number, architecture, record.rung, record.seed, "ok", values,
                signal=record.signal,
            )
        )  # fmt: skip
    if not told:
        why = f" ({max(dropped, key=lambda r: dropped[r])})" if dropped else ""
        missing = "nothing in it succeeded" if not dropped else "it has nothing in common with"
        rest = "" if not dropped else f" this space{why}"
        raise EarlierError(f"from: {name} cannot inform this search: {missing}{rest}")
    return Earlier(name, tuple(told), exact, dict(dropped))


def _contents(path: Path, name: str) -> Contents:
    file = path / LEDGER if path.is_dir() else path
    if not file.is_file() or file.name != LEDGER:
        near = [p.parent.name for p in path.parent.glob(f"*/{LEDGER}")] if path.parent else []
        hint = did_you_mean(path.name, near)
        raise EarlierError(
            f"from: {name} is no run: there is no {LEDGER} at {path}; paths begin at the job's "
            f"folder, or where a search from Python runs{hint}"
        )
    return read(file)


def _renamed(contents: Contents, problem: Problem, name: str) -> dict[str, tuple[str, float]]:
    """Return our measured objective -> the name there, and the factor that turns its direction.

    An objective that the other run does not know is matched where each has exactly one.
    """
    asked: dict[str, str] = {}
    for header in contents.headers:
        asked |= header.get("objectives", {})
    seen = {value for record in contents.records for value in record.values}
    result = {}
    for ours in problem.measured:
        theirs = [ours] if ours in seen else [n for n in asked if n in seen]
        if len(theirs) != 1 or (theirs != [ours] and len(problem.measured) > 1):
            there = ", ".join(sorted(seen)) or "nothing"
            raise EarlierError(
                f"from: {name} cannot inform this search: it measured {there}, not "
                f"`{ours}`{did_you_mean(ours, seen)}"
            )
        direction = asked.get(theirs[0], problem.objectives[ours])
        turn = 1.0 if direction == problem.objectives[ours] else -1.0
        result[ours] = (theirs[0], turn)
    return result


def _values(
    record: Record, renamed: Mapping[str, tuple[str, float]]
) -> Iterator[tuple[str, float]]:
    for ours, (theirs, turn) in renamed.items():
        value = record.values.get(theirs)
        if value is not None:
            yield ours, turn * value


def _families(contents: Contents) -> Families:
    """Return the families of the other space's choices, as its headers tell them."""
    told: dict[str, dict[Any, str]] = {}
    for header in contents.headers:
        for name, entry in header.get("parameters", {}).items():
            if entry.get("families"):
                told[name] = dict(zip(entry["choices"], entry["families"], strict=False))
    return told


def _translated(record: Record, families: Families, problem: Problem) -> Any:
    """Return the architecture here and whether it is the same; or why there is none."""
    try:
        return translated(record.architecture.named, families, problem.space)
    except (Untranslated, ValueError) as error:
        return str(error)


def check_learns(sampler: object, runs: Sequence[str | Path]) -> None:
    """Raise EarlierError where earlier runs are given to a named sampler that has no model."""
    if runs and isinstance(sampler, str) and sampler != "predictor":
        raise EarlierError(
            f"from: earlier runs inform the model of `sampler: predictor`, and `{sampler}` has "
            "none; leave `from` out, or the sampler"
        )


def read_all(
    runs: Sequence[str | Path], base: Path, problem: Problem, own: Path | None = None
) -> tuple[Earlier, ...]:
    """Read the earlier runs of a job.

    Args:
        runs: their directories as written.
        base: where relative ones begin.
        problem: what is searched.
        own: the directory of the search itself, which is none of them.

    Raises:
        EarlierError: one of them cannot inform the search, or is named twice.
    """
    found = []
    seen = set() if own is None else {own.resolve()}
    for run in runs:
        path = base / run
        if path.resolve() in seen:
            raise EarlierError(f"from: {run} is named twice, or is this run itself; leave it out")
        seen.add(path.resolve())
        found.append(earlier(path, problem, named=str(run)))
    return tuple(found)


__all__ = ["Earlier", "EarlierError", "check_learns", "earlier", "read_all"]
