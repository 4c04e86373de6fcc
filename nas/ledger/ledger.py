"""The append-only record of every measurement of a run: JSON lines, one synced write each."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugnas.nas.ledger.fitting import Fitted, Misfit, read_counting
from plugnas.nas.ledger.lines import VERSION, Contents, LedgerError, Record, parse, read, seal
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.files import open_kept
from plugnas.nas.machine.fingerprint import fingerprint
from plugnas.nas.machine.versions import versions

if TYPE_CHECKING:
    from plugnas.nas.cost import CostModel
    from plugnas.space import Parameter, SearchSpace


class LedgerWarning(UserWarning):
    """Something in a ledger was left out, and the run goes on."""


class Ledger:
    """The record of a run, opened for one driver. Append-only; synced per measurement.

    ``fitted`` is what was found on opening: ``measurements`` that fit the space, in the order
    recorded, and ``misfits`` that do not; ``numbers`` are all task numbers ever recorded.
    """

    def __init__(self, path: str | Path, fitted: Fitted) -> None:
        self.path = Path(path)
        self.fitted = fitted
        told: tuple[Measurement | Misfit, ...] = fitted.measurements + fitted.misfits
        self.numbers = frozenset(entry.number for entry in told)
        self._descriptor: int | None = None

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What was found on opening and fits the space, in the order recorded."""
        return self.fitted.measurements

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """What was found on opening and does not fit the space."""
        return self.fitted.misfits

    @classmethod
    def open(
        cls,
        path: str | Path,
        space: SearchSpace,
        *,
        cost: CostModel | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Ledger:
        """Begin a ledger at ``path``, or continue the one that is there.

        A torn last line is dropped with a LedgerWarning, and so are measurements that no longer
        fit ``space`` (they stay in the file). ``cost`` helps to tell whether a measurement still
        speaks of the same network: its recorded ``params`` must be today's. ``about`` goes into
        the session's header (objectives, budget, trials, sampler, seed, ...).

        Args:
            path: the file.
            space: what the architectures are members of.
            cost: counts parameters anew, by which a changed network is told.
            about: what the session's header says.
        """
        path = Path(path)
        ledger = cls(path, read_counting(path, space, cost))
        ledger._open_file()
        try:
            if ledger.fitted.contents.torn is not None:
                ledger._drop_torn(ledger.fitted.contents.torn)
            ledger._warn()
            header = _header(space, ledger.fitted, about or {}, counted=cost is not None)
            ledger._write(header, "the session's header")
        except BaseException:
            ledger.close()
            raise
        return ledger

    def append(self, measurement: Measurement) -> None:
        """Record one measurement; when this returns it is on the disk.

        Raises LedgerError when it cannot be (a full disk); what was recorded before stays whole.
        """
        record = measurement.to_dict()
        record["time"] = round(time.time(), 3)
        self._write(record, f"the measurement of task {measurement.number}")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open_file(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = open_kept(self.path, os.O_RDWR | os.O_APPEND)
            end = os.fstat(self._descriptor).st_size
            if (
                end
                and os.pread(self._descriptor, 1, end - 1) != b"\n"
                and not self.fitted.contents.torn
            ):
                os.write(self._descriptor, b"\n")
        except OSError as error:
            raise LedgerError(
                f"A run must be able to write its ledger, but {self.path}: {error.strerror}. "
                f"Give a directory you may write to."
            ) from error

    def _drop_torn(self, text: str) -> None:
        warnings.warn(
            f"{self.path}: the last line was cut off while it was written and is dropped; its "
            f"evaluation will be run again ({text[:60]!r}...).",
            LedgerWarning,
            stacklevel=3,
        )
        os.ftruncate(self._file(), self.fitted.contents.length)

    def _warn(self) -> None:
        if self.fitted.left_out is not None:
            warnings.warn(f"{self.path}: {self.fitted.left_out}", LedgerWarning, stacklevel=3)

    def _write(self, record: Mapping[str, Any], what: str) -> None:
        """Write one line and sync it; on failure leave the file as it was and say so."""
        descriptor = self._file()
        data = seal(record)
        try:
            entry, _ = parse(data[:-1])
            if isinstance(entry, Record):
                entry.check()
        except ValueError as error:
            raise LedgerError(
                f"A ledger holds what can be read again, but {what} cannot: {error}. Correct what "
                "the evaluator or the cost model returns."
            ) from None
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, before)
            raise LedgerError(
                f"{self.path}: {what} could not be recorded: {error.strerror}. All that was "
                f"recorded before is safe. Make room, then give the same command to go on."
            ) from error

    def _file(self) -> int:
        if self._descriptor is None:
            raise LedgerError(f"{self.path} was closed and takes no more measurements.")
        return self._descriptor


def _header(
    space: SearchSpace, fitted: Fitted, about: Mapping[str, Any], *, counted: bool
) -> dict[str, Any]:
    """Return the session's header; the parameters are written only where they have changed."""
    header: dict[str, Any] = {"ledger": VERSION, "space": space.fingerprint}
    known = [h["space"] for h in fitted.contents.headers if "parameters" in h]
    if not known or known[-1] != space.fingerprint:
        header["parameters"] = {p.name: _told(p) for p in space.parameters}
    if fitted.misfits:
        header["left_out"] = {str(misfit.line): misfit.reason for misfit in fitted.misfits}
    if counted and space.has_network:
        from plugnas.nas.cost.stamp import stamp

        header["counted_with"] = stamp()
    header.update(about)
    own = fingerprint()
    header["versions"] = versions()
    header["fingerprint"] = {name: own[name] for name in own.keys() - header["versions"].keys()}
    header["host"] = os.uname().nodename
    header["pid"] = os.getpid()
    header["time"] = round(time.time(), 3)
    return header


def _told(parameter: Parameter) -> dict[str, Any]:
    """Return what a header says of a parameter: enough to rebuild the space without its owner."""
    told: dict[str, Any] = {"choices": list(parameter.choices), "slot": parameter.slot}
    if parameter.parent is not None:
        told |= {"parent": parameter.parent, "when": list(parameter.when)}
    if parameter.families is not None:
        told["families"] = list(parameter.families)
    return told


__all__ = ["Contents", "Ledger", "LedgerError", "LedgerWarning", "read"]
