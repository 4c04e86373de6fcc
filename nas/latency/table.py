"""A latency table: milliseconds of pieces on one device, in a file to be copied."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import UNSET, UnsetType

from plugnas.nas.latency.conditions import Conditions, runtime_version
from plugnas.nas.latency.errors import ForeignTableError, LatencyError
from plugnas.nas.latency.figures import Model, fingerprint, kind_of, model_text
from plugnas.nas.latency.pieces import Key, key_of
from plugnas.nas.latency.protocol import processor
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import NotNegative, Number, Positive, decode, read_bytes
from plugnas.space import Part
from plugnas.space.piece import Piece

VERSION = 2  # 1 held whole parts


@dataclass
class LatencyTable:
    """Latencies of pieces, each measured among the others and without the clocks' own time.

    T(network) = overhead + sum of T(piece), as in the look-up tables of Cai, Zhu and Han
    (ProxylessNAS, 2019).

    A part takes the sum of its pieces, a network the sum of its parts and ``overhead_ms``. Weights
    and code are as cold as in a network that runs among others, inputs as warm as what the piece
    before has just written, and every piece holds the call of its module, the module around an
    operator and its norm standing for the block's own. What a network takes beyond that, or less,
    is in all figures as one factor, ``scale``, fitted on whole networks of the same session. Where
    sums do not hold, since a runtime merges operators across pieces, ``factors`` are in them too:
    one for each kind of piece, fitted on more whole networks.
    ``anchors`` are the milliseconds of the anchor networks to which all entries are normalised;
    ``check`` is what the prediction was worth on other whole networks of that session.
    """

    conditions: Conditions
    anchors: dict[str, float]
    rounds: int
    overhead_ms: float = 0.0
    entries: dict[Key, tuple[float, float]] = field(default_factory=dict)  # (ms, relative error)
    check: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    factors: dict[str, float] = field(default_factory=dict)

    def factor(self, key: Key) -> float:
        """Return the factor of a piece's kind; 1 where sums hold."""
        return self.factors.get(kind_of(key[0]), 1.0)

    def adopt(self, model: Model) -> None:
        """Put a fitted model into all figures."""
        self.scale, self.factors = model.scale, dict(model.factors)
        self.overhead_ms *= self.scale
        self.entries = {
            key: (ms * self.scale * self.factor(key), e) for key, (ms, e) in self.entries.items()
        }

    def __contains__(self, piece: Piece) -> bool:
        return key_of(piece) in self.entries

    def milliseconds(self, part: Part) -> float:
        """Return the latency of a part.

        Raises:
            ForeignTableError: a piece of it was not measured; the text says how to.
        """
        pieces = part.pieces()
        try:
            return sum(piece.times * self.entries[key_of(piece)][0] for piece in pieces)
        except KeyError:
            raise self.missing([piece for piece in pieces if piece not in self]) from None

    def predict(self, parts: Iterable[Part]) -> float:
        """Return the latency of a network of these parts, in ms."""
        return self.overhead_ms + sum(self.milliseconds(part) for part in parts)

    def missing(self, pieces: Sequence[Piece]) -> ForeignTableError:
        """Return the error that says that these pieces were not measured, and how to."""
        first = pieces[0]
        sizes = " and ".join("x".join(map(str, shape)) for shape in first.input_shapes)
        return ForeignTableError(
            f"a latency table must hold every piece of the space, but this one (on "
            f"{self.conditions}) lacks `{first.key}` on {sizes}"
            + (f" and {len(pieces) - 1} more" if len(pieces) > 1 else "")
            + "; measure what is missing on that device: "
            "nas latency --table JOB.yaml -o TABLE.json --extend TABLE.json"
        )

    def require_conditions(self, **wanted: Any) -> None:
        """Check the table against a job's wishes (device, runtime, batch, ...) and this torch.

        The device's kind is compared, not its name: a table may come from another machine.

        Raises:
            ForeignTableError: what differs, and the remedy.
        """
        wanted["torch"] = torch.__version__
        here = self.conditions.device_name == processor()
        if here and self.conditions.runtime == wanted.get("runtime") != "torch":
            with contextlib.suppress(LatencyError):  # a table from elsewhere has its own version
                wanted["runtime_version"] = runtime_version(self.conditions.runtime)
        for name, value in wanted.items():
            own = getattr(self.conditions, name)
            if _comparable(name, own) != _comparable(name, value):
                raise ForeignTableError(
                    f"a latency table holds for the {name} it was measured with, but this one was "
                    f"measured with {name} {own} (on {self.conditions}) and {name} {value} is "
                    "wanted; measure a table so, or change the job: nas latency --table JOB.yaml "
                    "-o TABLE.json"
                )

    @property
    def is_of_this_machine(self) -> bool:
        """Whether whole networks measured here may be compared with the table."""
        c = self.conditions
        try:
            here = Conditions.here(
                c.device, c.batch, c.threads, c.dtype, c.memory_format, c.runtime
            )
        except LatencyError:
            return False
        return here == c

    def summary(self) -> dict[str, Any]:
        """What a reader needs to judge the table, as plain JSON data."""
        errors = sorted(error for _, error in self.entries.values()) or [float("nan")]
        return {
            "conditions": self.conditions.to_dict(),
            "pieces": len(self.entries),
            "rounds": self.rounds,
            "median_error": errors[len(errors) // 2],
            "anchors_ms": self.anchors,
            "check": self.check,
        }

    def text(self) -> str:
        """The same in words."""
        s, check = self.summary(), self.check
        lines = [
            f"{s['pieces']} pieces on {self.conditions}; {self.rounds} interleaved rounds, "
            f"median relative standard error of a piece {s['median_error']:.1%}"
        ]
        if check:
            lines.append(
                f"against {check['networks']} whole networks of the same session: mean error "
                f"{check['mean_error']:.1%}, worst {check['worst_error']:.1%}, "
                f"Kendall tau {_tau(check['kendall_tau'])} (their even rounds against their odd "
                f"ones: {_tau(check['repeat_tau'])}); load {_loads(check['load'])}"
            )
            if self.conditions.runtime != "torch" and "sums_error" in check:
                lines.append(model_text(self.factors, check))
            if check["clocks"]:
                lines.append(f"clocks: {check['clocks']}")
        return "\n".join(lines)

    @property
    def fingerprint(self) -> str:
        """A short digest of which pieces the table holds, and of what exported them."""
        return fingerprint(self.entries, self.conditions.torch)

    # --- files ----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, whole or not at all."""
        data = {
            "latency_table": VERSION,
            "conditions": self.conditions.to_dict(),
            "anchors": self.anchors,
            "rounds": self.rounds,
            "overhead_ms": self.overhead_ms,
            "scale": self.scale,
            "factors": self.factors,
            "fingerprint": self.fingerprint,
            "check": self.check,
            "pieces": [[key, shapes, *figures] for (key, shapes), figures in self.entries.items()],
        }
        write_text(Path(path), json.dumps(data, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Read a table.

        Raises:
            ForeignTableError: the file is missing, or no latency table of this version.
        """
        try:
            data = read_bytes(Path(path))
            version = decode(data, _Head).latency_table
            if version != VERSION:
                raise ValueError(f"version {version}, but {VERSION} is read")
            saved = decode(data, _Saved)
            held = [(key, shapes) for key, shapes, *_ in saved.pieces]
            if saved.fingerprint not in ("", fingerprint(held, saved.conditions.torch)):
                raise ValueError(
                    "its pieces are not those of its fingerprint: it was cut or changed"
                )
            entries = {
                (key, tuple(map(tuple, shapes))): (ms, error)
                for key, shapes, ms, error in saved.pieces
            }
            return cls(
                saved.conditions, saved.anchors, saved.rounds, saved.overhead_ms, entries,  # type: ignore[arg-type]
                msgspec.to_builtins(saved.check), saved.scale, saved.factors,
            )  # fmt: skip
        except FileNotFoundError:
            raise ForeignTableError(
                f"there is no latency table {path}; make it on the device that counts: "
                f"nas latency --table JOB.yaml -o {path}"
            ) from None
        except (OSError, ValueError) as error:
            raise ForeignTableError(
                f"{path} is no latency table that can be read ({error}); measure it anew: "
                f"nas latency --table JOB.yaml -o {path}"
            ) from None


class _Head(msgspec.Struct, frozen=True):
    """What a saved table says before its figures."""

    latency_table: Number


class _Check(msgspec.Struct, frozen=True):
    """What a table was worth on whole networks; empty where it was not checked.

    A key that was not written is not read either: null is another thing (no clocks, no ranking).
    """

    networks: Number | UnsetType = UNSET
    mean_error: float | UnsetType = UNSET
    worst_error: float | UnsetType = UNSET
    bias: float | UnsetType = UNSET
    sums_error: float | UnsetType = UNSET
    kendall_tau: float | UnsetType | None = UNSET
    repeat_tau: float | UnsetType | None = UNSET
    measured_ms: list[float] | UnsetType = UNSET
    predicted_ms: list[float] | UnsetType = UNSET
    load: list[float | None] | UnsetType = UNSET
    clocks: str | UnsetType | None = UNSET


class _Saved(msgspec.Struct, frozen=True):
    """A saved table of this version."""

    conditions: Conditions
    anchors: dict[str, Positive]
    rounds: Number
    overhead_ms: float
    scale: Positive
    check: _Check
    pieces: list[tuple[str, list[list[Number]], float, NotNegative]]
    factors: dict[str, NotNegative] = {}
    fingerprint: str = ""  # none in a table from before


def _tau(tau: float | None) -> str:
    return "unknown" if tau is None else f"{tau:.3f}"


def _loads(loads: Iterable[float | None]) -> str:
    return " -> ".join("?" if value is None else f"{value:.2f}" for value in loads)


def _comparable(name: str, value: Any) -> Any:
    """Versions by their first two numbers, devices by their kind; all else as it is."""
    if name in ("torch", "runtime_version"):
        return str(value).split(".")[:2]
    if name == "device":
        return torch.device(value).type
    return value
