"""A record of a ledger: a measurement as it lies on disk, decoded as far as most records are asked.

A run may have a hundred thousand of them, of which a front shows a hundred.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from plugnas.nas.ledger.curve import Curve
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.reading import Moment, NotNegative, Number, Seed, decode
from plugnas.space import Architecture

_Values = dict[str, str | int | float | bool | None]


class Spoken(msgspec.Struct, frozen=True, gc=False):
    """The architecture of which a record speaks; its parameter values stay JSON until needed."""

    values: msgspec.Raw
    id: str = ""

    @property
    def named(self) -> dict[str, Any]:
        """The values by the parameters' names. Raises ValueError where they are none."""
        return decode(self.values, _Values)


class Record(msgspec.Struct, frozen=True, gc=False):
    """A measurement as recorded (``Measurement.to_dict``), with the ``time`` it was written.

    Its curve, ``extra`` and the architecture's values stay JSON until they are needed.
    """

    number: Number
    rung: Number
    seed: Seed
    status: Literal["ok", "failed"]
    architecture: Spoken
    values: dict[str, float | None] = {}
    costs: dict[str, float | None] = {}
    signal: float | None = None
    curve: msgspec.Raw = msgspec.Raw(b"[]")
    seconds: NotNegative | None = 0.0
    cpu_seconds: NotNegative | None = 0.0
    reason: str | None = None
    worker: str = ""
    attempt: Number = 0
    extra: msgspec.Raw = msgspec.Raw(b"{}")
    time: Moment = 0.0

    @property
    def ok(self) -> bool:
        """Whether the evaluation succeeded."""
        return self.status == "ok"

    def check(self) -> None:
        """Look into what is JSON still. Raises ValueError where it is not what it should be."""
        _ = self.architecture.named, _curve(self.curve), self._extra()

    def measurement(self, architecture: Architecture) -> Measurement:
        """Return the measurement of the architecture that it speaks of.

        What was not finite was recorded as null; of costs, and of what succeeded, it is left out.

        Raises:
            ValueError: its curve or ``extra`` is damaged.
        """
        values: dict[str, Any] = self.values
        if self.ok:
            values = _known(values)
        return Measurement(
            self.number, architecture, self.rung, self.seed, self.status, values,
            _known(self.costs),
            self.signal, _curve(self.curve), self.seconds or 0.0, self.cpu_seconds or 0.0,
            self.reason, sys.intern(self.worker), self.attempt, self._extra(),
        )  # fmt: skip

    def _extra(self) -> Mapping[str, Any]:
        return _extra(bytes(self.extra))


def _curve(raw: msgspec.Raw) -> Sequence[Mapping[str, Any]]:
    text = bytes(raw)
    return () if text == b"[]" else Curve(text)


@lru_cache(1024)
def _extra(text: bytes) -> Mapping[str, Any]:
    """Return ``extra``, one for all records that say the same, such as how many images."""
    extra = decode(text, dict[str, Any])
    tries = extra.get("tries", 1)
    if not isinstance(tries, int) or not 0 <= tries < 2**31:
        raise ValueError(f"`extra.tries` must count tries, but is {tries!r:.40}")
    return extra


def _known(values: dict[str, float | None]) -> dict[str, float]:
    """Return values without those that are None; themselves where none is."""
    if None not in values.values():
        return values  # type: ignore[return-value]
    return {name: value for name, value in values.items() if value is not None}


__all__ = ["Record", "Spoken"]
