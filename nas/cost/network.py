"""The cost of any architecture of a space: the sum over its parts, looked up in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.cost.counter import Counts
from plugnas.nas.cost.errors import CostError
from plugnas.nas.cost.table import CostTable
from plugnas.space import Architecture, Part, Position, SearchSpace

Codes = NDArray[np.int16]
SUMS = ("params", "macs", "flops", "elementwise")  # over the parts; memory is their maximum
NAMES = (*SUMS, "memory")
DEVICE = ("ram", "flash")  # in the dtype of a device


class PartLatencies(Protocol):
    """A table of measured latencies, such as ``nas.latency.LatencyTable``."""

    @property
    def overhead_ms(self) -> float:
        """What a network takes beside its parts."""

    def milliseconds(self, part: Part) -> float:
        """Latency of the part; raises where it was not measured."""


class Unmeasured:
    """A table of latencies that are all 0: for checks before anything is measured."""

    overhead_ms = 0.0

    def milliseconds(self, part: Part) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True)
class PartCost:
    """What one part of a network costs; memory, ram and flash in bytes.

    Latency is known only with a latency table, ram and flash with a dtype.
    """

    position: str
    key: str
    input_shape: tuple[int, int, int]
    params: int
    macs: int
    flops: int
    elementwise: int
    memory: int
    latency_ms: float | None = None
    ram: int | None = None
    flash: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


class NetworkCost:
    """Exact costs of a space's architectures in deploy form, batch 1, float32.

    ``params``, ``macs``, ``flops`` and ``elementwise`` are sums over the parts; ``memory``, peak
    activation bytes, is the maximum over them, since a map is freed once the next part has read it.
    With a latency table there is ``latency_ms`` too, and with a dtype ``ram``, which is ``memory``
    in it, and ``flash``, the bytes of the weights in it.

    Args:
        space: a space with a network behind it.
        table: counts made before, such as a run's; new parts are added to it.
        latency: measured latencies of the parts.
        dtype: number format on the device, one of ``counter.WIDTHS``.

    Raises:
        CostError: the space has no network.
    """

    def __init__(
        self,
        space: SearchSpace,
        table: CostTable | None = None,
        latency: PartLatencies | None = None,
        dtype: str | None = None,
    ) -> None:
        if not space.has_network:
            raise CostError(
                "a space made from a plain dict has no network to count; pass your own `cost`"
            )
        self.space = space
        self.table = CostTable() if table is None else table
        self._know_host()
        self.latency, self.dtype = latency, dtype
        self.names: tuple[str, ...] = (
            *NAMES,
            *(DEVICE if dtype is not None else ()),
            *(("latency_ms",) if latency is not None else ()),
        )
        self._places = [_Place(space, position, self._values) for position in space.positions]

    def host_counts(self) -> Counts | None:
        """Return what the unplugged host costs, counted at the first call; None without one."""
        host = self.space.host
        return None if host is None else self.table.counts(host.host_part())

    def _know_host(self) -> None:
        """Take the counts that a run's record keeps, so that no code of the host is needed."""
        host = self.space.host
        if host is not None and host.trace.counts is not None:
            (piece,) = host.host_part().pieces()
            known = Counts(**host.trace.counts)  # type: ignore[arg-type]
            self.table.pieces.setdefault((piece.key, piece.input_shapes), known)

    def costs_of(
        self, architectures: Sequence[Architecture] | Codes
    ) -> dict[str, NDArray[np.float64]]:
        """Return each cost as a float64 array, in the order given.

        Takes architectures or a code matrix (n, P) of the space; parts never seen before are
        counted, which takes milliseconds each.
        """
        codes = _as_codes(self.space, architectures)
        totals = np.zeros((len(self.names), len(codes)))
        peaks = [i for i, name in enumerate(self.names) if name in ("memory", "ram")]
        for place in self._places:
            values = place.look_up(codes)
            values[peaks] = np.maximum(totals[peaks], values[peaks])
            totals[peaks] = 0
            totals += values
        if self.latency is not None:
            totals[-1] += self.latency.overhead_ms
        return dict(zip(self.names, totals, strict=True))

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the costs of one architecture."""
        return {name: float(v[0]) for name, v in self.costs_of([architecture]).items()}

    def breakdown(self, architecture: Architecture) -> list[PartCost]:
        """Return what each part costs, in the order in which they run."""
        return [self._part_cost(part) for part in self.space.parts(architecture)]

    def _part_cost(self, part: Part) -> PartCost:
        counts = self.table.counts(part)
        return PartCost(
            part.position, part.key, part.input_shape,
            counts.params, counts.macs, counts.flops, counts.elementwise, counts.memory,
            None if self.latency is None else self.latency.milliseconds(part),
            None if self.dtype is None else counts.ram(self.dtype),
            None if self.dtype is None else counts.flash(self.dtype),
        )  # fmt: skip

    def _values(self, part: Part | None) -> list[float]:
        """The costs of a part in the order of ``names``; nothing for an absent one."""
        if part is None:
            return [0.0] * len(self.names)
        record = self._part_cost(part)
        return [float(getattr(record, name)) for name in self.names]


class _Place:
    """One position: the values of every combination of its columns that has been met.

    A combination is packed into 64 bits: in mixed radix where that fits, else by a random linear
    hash whose hits are compared with the combination itself.
    """

    def __init__(self, space: SearchSpace, position: Position, values: Any) -> None:
        self._space, self._position, self._values_of = space, position, values
        sizes = {c: len(space.parameters[c].choices) for c in position.columns}
        self._free = [c for c, size in sizes.items() if size > 1 or space.parameters[c].parent]
        radices = [1]
        for c in self._free:
            radices.append(radices[-1] * (sizes[c] + 1))
        self._exact = radices[-1] < 2**63
        if self._exact:
            self._weights = np.array(radices[:-1], dtype=np.uint64)
        else:
            rng = np.random.default_rng(0)
            self._weights = rng.integers(2**64, size=len(self._free), dtype=np.uint64) | np.uint64(
                1
            )
        self._keys = np.empty(0, dtype=np.uint64)  # sorted
        self._rows = np.empty((0, len(self._free)), dtype=np.int16)
        self._values = np.empty((0, 0))

    def look_up(self, codes: Codes) -> NDArray[np.float64]:
        """Return the values (costs, n) of this position's part in each row."""
        keys = np.zeros(len(codes), dtype=np.uint64)
        for c, weight in zip(self._free, self._weights, strict=True):
            keys += (codes[:, c] + 1).astype(np.uint64) * weight
        found = self._find(keys)
        missing = np.flatnonzero(found < 0)
        if len(missing):
            _, first = np.unique(keys[missing], return_index=True)
            self._add(keys, codes, missing[first])
            found = self._find(keys)
        if not self._exact and (self._rows[found] != codes[:, self._free]).any():
            raise RuntimeError(f"two combinations at {self._position.name} share a 64-bit hash")
        return self._values[:, found]

    def _find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Indices of the keys among those known, -1 where unknown."""
        if not len(self._keys):
            return np.full(len(keys), -1)
        index = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[index] == keys, index, -1)

    def _add(self, keys: NDArray[np.uint64], codes: Codes, rows: NDArray[np.int64]) -> None:
        new = []
        for row in rows:
            own = codes[row, list(self._position.columns)].tolist()
            new.append(self._values_of(self._space.part_at(self._position, own)))
        merged = np.concatenate([self._keys, keys[rows]])
        order = np.argsort(merged)
        values = np.array(new).T
        known = self._values if len(self._keys) else values[:, :0]
        self._keys = merged[order]
        self._values = np.concatenate([known, values], axis=1)[:, order]
        self._rows = np.concatenate([self._rows, codes[rows][:, self._free]])[order]


def _as_codes(space: SearchSpace, architectures: Sequence[Architecture] | Codes) -> Codes:
    if isinstance(architectures, np.ndarray):
        return architectures
    return space.codes(architectures)
