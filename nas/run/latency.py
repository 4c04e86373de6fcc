"""What stands beside a run's latencies: how they were taken, and whether they may be ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from plugnas.nas.machine.reading import NotNegative, read_json
from plugnas.nas.run.python_run import Run


@dataclass(frozen=True)
class LatencyNote:
    """A sentence on the latencies of a run; not ``ranked`` where the machine was too busy."""

    text: str
    ranked: bool


def latency_note(run: Run) -> LatencyNote | None:
    """Return what is known of a run's latencies; None where it has none.

    Those of a search are sums over pieces out of a table. The front's members are also measured
    whole at its end (RUN/latency_front.json); where that could not be ranked, no figure of the run
    may decide between two networks.
    """
    from plugnas.nas.latency import LatencyTable
    from plugnas.nas.latency.errors import LatencyError

    path = run.latency_file
    if path is None or not path.exists():
        return None
    try:
        table = LatencyTable.load(path)
    except LatencyError:
        return LatencyNote(f"latency: {path} cannot be read any more", ranked=False)
    errors = sorted(error for _, error in table.entries.values())
    weighed = ", weighed by kind with factors fitted on whole networks" if table.factors else ""
    text = f"latency: sums over pieces{weighed}, measured on {table.conditions}"
    if errors:
        text += f"; error of the median piece {errors[len(errors) // 2]:.1%}"
    if table.check:
        text += f", of whole networks {table.check['mean_error']:.1%} on average"
    whole = run.path / "latency_front.json"
    reason = _busy(whole)
    if reason is None:
        return LatencyNote(text + _measured_whole(whole, run.budget), ranked=True)
    return LatencyNote(
        f"~ latency NOT RANKED: {reason}. Measure again with `nas latency {run.path} -o {whole}`; "
        f"until then: {text.removeprefix('latency: ')}",
        ranked=False,
    )


def _busy(path: Path) -> str | None:
    """Return why the front's networks, measured whole, could not be ranked; None if they could."""
    try:
        return read_json(path, _Front).busy
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return f"{path} cannot be read any more"


def _measured_whole(path: Path, budget: Mapping[str, float]) -> str:
    """Return what the front's networks took whole, and how many of them are above the limit."""
    try:
        figures = [figure.ms for figure in read_json(path, _Front).figures]
    except (OSError, ValueError):
        return ""
    if not figures:
        return ""
    text = f"; the front's {len(figures)} networks measured whole there: "
    text += f"{min(figures):.3g} to {max(figures):.3g} ms"
    limit = budget.get("latency_ms")
    above = sum(ms > limit for ms in figures) if limit is not None else 0
    return text + (f", {above} above the limit of {limit:g} ms" if above else "")


class _Figure(msgspec.Struct, frozen=True):
    """What is read of one network."""

    ms: NotNegative


class _Front(msgspec.Struct, frozen=True):
    """What is read of a measurement of the front's whole networks."""

    busy: str | None = None
    figures: list[_Figure] = []


__all__ = ["LatencyNote", "latency_note"]
