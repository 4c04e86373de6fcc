"""The append-only record of every measurement of a run: JSON lines, one synced write each."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugnas.modules.errors import PlugnasError
from plugnas.nas.ledger.lines import VERSION, Contents, LedgerError, read
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.versions import versions

if TYPE_CHECKING:
    from plugnas.nas.cost import CostModel
    from plugnas.space import Architecture, SearchSpace


class LedgerWarning(UserWarning):
    """Something in a ledger was left out, and the run goes on."""


class Ledger:
    """The record of a run, opened for one driver. Append-only; synced per measurement.

    ``measurements`` are those found on opening that fit the space, in the order recorded;
    ``misfits`` says why each of the others does not fit (line number -> reason);
    ``numbers`` are all task numbers ever recorded, fitting or not.
    """

    def __init__(self, path: str | Path, contents: Contents) -> None:
        self.path = Path(path)
        self.contents = contents
        self.measurements: tuple[Measurement, ...] = ()
        self.misfits: dict[int, str] = {}
        self.numbers = frozenset(int(record["number"]) for record in contents.records)
        self._descriptor: int | None = None

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
        """
        path = Path(path)
        contents = read(path) if path.exists() else Contents()
        ledger = cls(path, contents)
        ledger._open_file()
        try:
            if contents.torn is not None:
                ledger._drop_torn(contents.torn)
            ledger._fit(space, cost)
            ledger._write(_header(space, contents, about or {}), "the session's header")
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
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            end = os.fstat(self._descriptor).st_size
            if end and os.pread(self._descriptor, 1, end - 1) != b"\n" and not self.contents.torn:
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
        os.ftruncate(self._file(), self.contents.length)

    def _fit(self, space: SearchSpace, cost: CostModel | None) -> None:
        """Re-read every record through ``space`` by its parameter values."""
        fitting: list[Measurement] = []
        for line, record in zip(self.contents.lines, self.contents.records, strict=True):
            try:
                architecture = space.adopt(record["architecture"]["values"])
                reason = space.refusal(architecture)
            except PlugnasError as error:
                reason = str(error)
            if reason is None:
                fitting.append(Measurement.from_dict(record, architecture))
            else:
                self.misfits[line] = reason
        self.measurements = tuple(fitting)
        if cost is not None:
            self._recount(cost)
        if self.misfits:
            line, reason = next(iter(self.misfits.items()))
            warnings.warn(
                f"{self.path}: {len(self.misfits)} of {len(self.contents.records)} measurements do "
                f"not fit the space as it is now and are left out (the file keeps them); for "
                f"example line {line}: {reason}",
                LedgerWarning,
                stacklevel=3,
            )

    def _recount(self, cost: CostModel) -> None:
        """Drop measurements whose network now has another number of parameters."""
        if "params" not in cost.names:
            return
        params = _params(cost, [m.architecture for m in self.measurements])
        lines = [line for line in self.contents.lines if line not in self.misfits]
        fitting: list[Measurement] = []
        for line, measurement, now in zip(lines, self.measurements, params, strict=True):
            then = measurement.costs.get("params")
            if then is None or then == now:
                fitting.append(measurement)
            else:
                self.misfits[line] = (
                    f"the network had {then:.0f} parameters when it was measured and would have "
                    f"{now:.0f} now: the skeleton or a module has changed"
                )
        self.measurements = tuple(fitting)

    def _write(self, record: Mapping[str, Any], what: str) -> None:
        """Write one line and sync it; on failure leave the file as it was and say so."""
        descriptor = self._file()
        data = (
            json.dumps(record, separators=(",", ":"), allow_nan=False, default=_plain) + "\n"
        ).encode()
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


def _plain(value: Any) -> Any:
    """Return JSON data for what json does not know: numpy and torch numbers, else their text."""
    if getattr(value, "ndim", None) != 0:
        return str(value)
    number = value.item()
    return number if math.isfinite(number) else None


def _params(cost: CostModel, architectures: Sequence[Architecture]) -> list[float]:
    return [float(n) for n in cost.costs_of(architectures)["params"]] if architectures else []


def _header(space: SearchSpace, contents: Contents, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the session's header; the parameters are told only where they are news."""
    header: dict[str, Any] = {"ledger": VERSION, "space": space.fingerprint}
    known = [h["space"] for h in contents.headers if "parameters" in h]
    if not known or known[-1] != space.fingerprint:
        header["parameters"] = {
            parameter.name: {"choices": list(parameter.choices), "slot": parameter.slot}
            for parameter in space.parameters
        }
    header.update(about)
    header["versions"] = versions()
    header["host"] = os.uname().nodename
    header["pid"] = os.getpid()
    header["time"] = round(time.time(), 3)
    return header


__all__ = ["Contents", "Ledger", "LedgerError", "LedgerWarning", "read"]
