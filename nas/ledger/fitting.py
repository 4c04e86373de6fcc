"""The one reader that fits what a ledger holds to a space: search, reports and exports use it.

A measurement fits where the space has a member that builds the network it speaks of, no module
refuses that member, and the network has as many parameters as when it was measured. The parameters
are counted again unless the last session did so with the same sources, or no network is at hand:
then what that session left out (the ledger's header names it) stays left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from plugnas.modules.errors import PlugnasError
from plugnas.nas.ledger.lines import Contents, LedgerError, Reading, Record
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.collection import no_collection

if TYPE_CHECKING:
    from plugnas.nas.cost import CostModel
    from plugnas.space import Architecture, SearchSpace


_AT_ONCE = 10_000  # records whose members are looked up together


@dataclass(frozen=True)
class Misfit:
    """A measurement that is left out: its line in the file, its task, and why."""

    line: int
    number: int
    reason: str


@dataclass(frozen=True)
class Fitted:
    """A ledger read for a space: what fits it, in the order recorded, and what does not.

    ``recorded`` counts the ledger's records.
    """

    contents: Contents = field(default_factory=Contents)
    measurements: tuple[Measurement, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    recorded: int = 0

    @property
    def slim(self) -> Fitted:
        """The same without the records as they lie on disk, which take most of the memory."""
        return replace(self, contents=replace(self.contents, records=(), lines=()))

    @property
    def left_out(self) -> str | None:
        """How many measurements are left out, and why, in a sentence; None if none is."""
        if not self.misfits:
            return None
        first, several = self.misfits[0], len(self.misfits) > 1
        return (
            f"{len(self.misfits)} of {self.recorded} measurements "
            f"{'do not fit' if several else 'does not fit'} the space as it is now and "
            f"{'are' if several else 'is'} left out (the ledger keeps "
            f"{'them); for example' if several else 'it):'} line {first.line}: {first.reason}"
        )


@no_collection()
def read_fitting(
    path: Path,
    space: SearchSpace,
    counts: Path | None = None,
    contents: Contents | None = None,
) -> Fitted:
    """Read a ledger, also one that is being written; an empty one where there is no file.

    Args:
        path: the ledger's file.
        space: what the records must fit.
        counts: a file of part costs kept from before, so that a recount is quick.
        contents: the file's contents where they were read already.

    Raises:
        LedgerError: the file cannot be read, or a line of it is damaged.
    """
    fitting, contents = _fit(path, space) if contents is None else _fit_all(contents, space)
    cost = _counter(contents, space, counts) if fitting.recorded else None
    if cost is None:
        fitting.leave_out(left_out_before(contents))
    return fitting.done(contents, cost)


@no_collection()
def read_counting(path: Path, space: SearchSpace, cost: CostModel | None = None) -> Fitted:
    """Read a ledger to continue it, or that there is none; parameters are counted by ``cost``."""
    fitting, contents = _fit(path, space)
    return fitting.done(contents, cost)


@no_collection()
def fit(contents: Contents, space: SearchSpace) -> Fitted:
    """Fit a ledger's records to a space by their parameter values."""
    return _fit_all(contents, space)[0].done(contents, None)


def _fit(path: Path, space: SearchSpace) -> tuple[_Fitting, Contents]:
    """Read a ledger and fit it, without keeping its records."""
    fitting = _Fitting(space)
    if not path.exists():
        return fitting, Contents()
    reading = Reading(path)
    fitting.add(reading)
    return fitting, reading.contents()


def _fit_all(contents: Contents, space: SearchSpace) -> tuple[_Fitting, Contents]:
    fitting = _Fitting(space)
    fitting.add(zip(contents.lines, contents.records, strict=True))
    return fitting, contents


class _Fitting:
    """Records of a ledger as they are fitted to a space."""

    def __init__(self, space: SearchSpace) -> None:
        self.recorded = 0
        self._space = space
        self._fitting: list[tuple[int, Measurement]] = []
        self._misfits: dict[int, Misfit] = {}

    def add(self, rows: Iterable[tuple[int, Record]]) -> None:
        """Fit records, given with their lines, some at a time in memory."""
        left = iter(rows)
        while some := list(islice(left, _AT_ONCE)):
            self._add(some)

    def _add(self, rows: Sequence[tuple[int, Record]]) -> None:
        """Fit records; their members are looked up together."""
        spoken = [record.architecture for _, record in rows]
        members = self._space.members([a.values for a in spoken], [a.id for a in spoken])
        for (line, record), member in zip(rows, members, strict=True):
            found = _measured(record, member, self._space)
            if isinstance(found, str):
                self._misfits[line] = Misfit(line, record.number, found)
            else:
                self._fitting.append((line, found))
        self.recorded += len(rows)

    def leave_out(self, reasons: Mapping[int, str]) -> None:
        """Leave out what stands in these lines, whether or not it fits."""
        for line, misfit in self._misfits.items():
            self._misfits[line] = replace(misfit, reason=reasons.get(line, misfit.reason))
        for line, m in self._fitting if reasons else ():
            if line in reasons:
                self._misfits[line] = Misfit(line, m.number, reasons[line])

    def done(self, contents: Contents, cost: CostModel | None) -> Fitted:
        """Return what fits, once its parameters were counted again where ``cost`` does that."""
        if cost is not None and "params" in cost.names:
            self.leave_out(_changed(self._fitting, cost))
        out = self._misfits
        return Fitted(
            contents,
            tuple(m for line, m in self._fitting if line not in out),
            tuple(out[line] for line in sorted(out)),
            self.recorded,
        )


def recorded_space(contents: Contents) -> SearchSpace:
    """Return the space of a ledger's last session, made of the parameters in its header.

    It has no network behind it and knows no refusals: no code of the space's owner is run.

    Raises:
        LedgerError: no header names parameters.
    """
    from plugnas.space import Parameter, SearchSpace

    told = [header["parameters"] for header in contents.headers if "parameters" in header]
    if not told:
        raise LedgerError("a ledger's header names the parameters of its space, but none here does")
    return SearchSpace.of_parameters(
        [
            Parameter(
                name,
                tuple(entry["choices"]),
                entry.get("parent"),
                tuple(entry.get("when", ())),
                entry.get("slot"),
                None if entry.get("families") is None else tuple(entry["families"]),
            )
            for name, entry in told[-1].items()
        ]
    )


def _measured(record: Record, member: Architecture | None, space: SearchSpace) -> Measurement | str:
    """Return the measurement that a record speaks of, or why the space has none."""
    found = member or _adopt(record, space)
    if isinstance(found, str):
        return found
    try:
        return record.measurement(found)
    except ValueError as error:
        return f"it cannot be read ({error})"


def _adopt(record: Record, space: SearchSpace) -> Architecture | str:
    """Return the member of the space that a record speaks of, or why there is none."""
    try:
        architecture = space.adopt(record.architecture.named)
        return space.refusal(architecture) or architecture
    except PlugnasError as error:
        return str(error)
    except (TypeError, ValueError) as error:  # values that could be no choices at all
        return f"its architecture cannot be read ({error})"


def _changed(fitting: Sequence[tuple[int, Measurement]], cost: CostModel) -> dict[int, str]:
    """Return line -> reason of what was measured on another number of parameters than today's."""
    if not fitting:
        return {}
    counted = cost.costs_of([m.architecture for _, m in fitting])["params"]
    return {
        line: (
            f"the network had {then:.0f} parameters when it was measured and would have "
            f"{now:.0f} now: the skeleton or a module has changed"
        )
        for (line, m), now in zip(fitting, map(float, counted), strict=True)
        if (then := m.costs.get("params")) is not None and then != now
    }


def left_out_before(contents: Contents) -> dict[int, str]:
    """Return line -> reason of what the last session left out."""
    last = contents.headers[-1] if contents.headers else {}
    return {int(line): str(reason) for line, reason in last.get("left_out", {}).items()}


def is_settled(contents: Contents) -> bool:
    """Whether the last session counted with today's sources, so that what it left out still holds.

    Then the space that its header names is that of the run, refusals and all, for whoever only
    reads measurements.
    """
    from plugnas.nas.cost.stamp import stamp

    return bool(contents.headers) and contents.headers[-1].get("counted_with") == stamp()


def _counter(contents: Contents, space: SearchSpace, counts: Path | None) -> CostModel | None:
    """Return what counts parameters anew; None where the last session counted as today."""
    if not space.has_network or is_settled(contents):
        return None
    from plugnas.nas.cost import NetworkCost
    from plugnas.nas.cost.table import CostTable

    return NetworkCost(space, CostTable() if counts is None else CostTable.load(counts))


__all__ = [
    "Fitted",
    "Misfit",
    "fit",
    "is_settled",
    "left_out_before",
    "read_counting",
    "read_fitting",
    "recorded_space",
]
