"""Random search beside the search: only from trainings that were really made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plugnas.modules import PlugnasError
from plugnas.nas.confirm.outcome import paths
from plugnas.nas.front.box import Box
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.history import points_of, shuffled, trace
from plugnas.nas.run.view import RunView

NONE = (
    "No random search to compare with yet. Either run the same job with `sampler: random` and give "
    "`nas front RUN --control THAT_RUN`, or run `nas confirm RUN`, which trains random "
    "architectures as a control. Nothing is simulated here."
)

NONE_FROM_PYTHON = (
    "No random search to compare with: a control is made for the run of a job. Nothing is "
    "simulated here."
)


@dataclass(frozen=True)
class Control:
    """Measurements of random architectures: of a run of its own, or a confirmation's control."""

    measurements: Sequence[Measurement]
    note: str
    ordered: bool


def history(view: RunView, control: RunView | None) -> dict[str, Any]:
    """Return the traces of a search and its control in one box, and where the control is from."""
    rung = view.top_rung
    none = NONE if view.of_job else NONE_FROM_PYTHON
    fitting = _within(view.measurements, view)
    other = _of_run(view, control) if control is not None else _of_confirmation(view)
    if view.front:
        box = view.box  # so that every figure of the run's hypervolume agrees
    else:
        everything = [*fitting, *(other.measurements if other else ())]
        points = points_of(everything, view.objectives, rung)
        if not np.isfinite(points).all(axis=1).any():
            return {"search": None, "control": None, "note": none}
        box = Box.allowed(points, view.objectives, view.budget)
    own = trace(fitting, box, rung).to_dict()
    found: dict[str, Any] = {"search": own, "control": None, "note": none}
    found["reference"] = dict(zip(view.objectives, map(float, box.reference), strict=True))
    if other is not None:
        make = trace if other.ordered else shuffled
        found |= {"control": make(other.measurements, box, rung).to_dict(), "note": other.note}
    return found


def _within(measurements: Sequence[Measurement], view: RunView) -> Sequence[Measurement]:
    """Return the measurements whose costs are within the run's budget."""
    found = measurements
    for name, limit in view.budget.items():
        found = [m for m in found if m.costs.get(name, 0.0) <= limit]
    return found


def check_control(view: RunView, control: RunView) -> None:
    """Refuse a control that is no random search for the same thing.

    Raises:
        PlugnasError: another sampler, other images, another proxy, another space.
    """
    ours, theirs = view.job_run, control.job_run
    name = theirs.job.sampler_config.name
    if name != "random":
        raise PlugnasError(
            f"--control takes a run with `sampler: random`; {theirs.path} has {name}"
        )
    for what, a, b in (
        ("images", ours.facts.data, theirs.facts.data),
        ("proxy", ours.job.proxy, theirs.job.proxy),
        ("space", view.space.fingerprint, control.space.fingerprint),
        ("budget", ours.job.limits, theirs.job.limits),
    ):
        if a != b:
            raise PlugnasError(
                f"a control is the same job with `sampler: random`, but the {what} of "
                f"{theirs.path} differ from those of {ours.path}"
            )


def _of_run(view: RunView, control: RunView) -> Control:
    check_control(view, control)
    return Control(
        _within(control.measurements, view),
        f"Random search: the run {control.run.path}, the same job with `sampler: random`, in the "
        "order of its trials.",
        ordered=True,
    )


def _of_confirmation(view: RunView) -> Control | None:
    long, again = paths(view.run.path)
    ids: set[str] = set()
    afresh = view.read(again)
    for contents, key in ((view.read(long).contents, "confirm"), (afresh.contents, "again")):
        for header in contents.headers:
            ids |= set(header.get(key, {}).get("control", ()))
    measured = [m for m in afresh.measurements if m.architecture.id in ids]
    measured = [replace(m, rung=view.top_rung) for m in measured if m.ok]
    measured = [m for m in measured if all(n in {**m.values, **m.costs} for n in view.objectives)]
    if len(measured) < 2:
        return None
    return Control(
        measured,
        f"Random search: the {len(measured)} random architectures within budget that `nas confirm` "
        "trained as a control, with the proxy's highest rung, averaged over random orders (band: "
        "nine in ten orders). It ends where the control ends; each of its evaluations is a full "
        "one, while the search's first rungs are cheaper, so compare over seconds.",
        ordered=False,
    )


__all__ = ["check_control", "history"]
