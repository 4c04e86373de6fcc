"""One session that measures a space's pieces, with whole networks beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas import modules
from plugnas.nas.latency.anchors import NAMES
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.figures import (
    FIRST,
    check_of,
    fit,
    halves,
    kind_of,
    medians,
    relative_errors,
    spread_reason,
    together,
)
from plugnas.nas.latency.pieces import Key, Pieces, key_of
from plugnas.nas.latency.protocol import Progress, Samples, Timer
from plugnas.nas.latency.report import shared_core_reason
from plugnas.nas.latency.rounds import anchor_timers, run_rounds
from plugnas.nas.latency.runtime import Timed, bare_timers, deploy_timers
from plugnas.nas.latency.table import LatencyTable
from plugnas.space import Architecture, SearchSpace

GROUP = 512  # pieces alive at a time
GROUP_WEIGHTS = 2**27  # and parameters
BRIDGES = 64


class Session:
    """Groups of pieces, each interleaved with the same whole networks and with the anchors.

    What stands beside a network in a round decides how cold the caches are, and the small anchors
    feel that more than the networks do. So every group holds the same mixture, and groups are
    scaled to each other by the networks that all of them hold; a table that is extended is met
    again through ``bridges``, pieces that it knows already.

    Args:
        conditions: device and setting.
        rounds: how often each is timed; None: as often as some seconds hold.
        rng: draws the order.
        on_progress: hears of each round.
    """

    def __init__(
        self,
        conditions: Conditions,
        rounds: int | None,
        rng: np.random.Generator,
        on_progress: Progress | None,
    ) -> None:
        self.conditions, self.rounds, self.rng = conditions, rounds, rng
        self.on_progress = on_progress
        self.anchors = anchor_timers(conditions)
        self.keys: list[Key] = []  # of the pieces, in the order in which the groups hold them
        self.bridges: list[Key] = []
        self.groups: list[Samples] = []
        self.networks = 0
        self.network_ms = np.zeros(0)
        self.repeated = np.zeros(0), np.zeros(0)  # the same out of every second round
        self.plain: LatencyTable | None = None  # as if pieces added up

    def run(
        self,
        pieces: Pieces,
        bridges: Pieces,
        space: SearchSpace,
        architectures: Sequence[Architecture],
    ) -> None:
        """Measure; each group is: the clocks, an empty module, networks, bridges, own pieces.

        Args:
            pieces: what is measured.
            bridges: pieces of the table that is extended.
            space: builds the networks.
            architectures: the whole networks beside the pieces.
        """
        shape = space.parts(architectures[0])[0].input_shape
        common: list[Timer] = [*bare_timers(self.conditions)]
        beside = [Timed(space.build(a), [shape], a.id) for a in architectures]
        self.networks = len(architectures)
        picked = self.rng.permutation(len(bridges))[:BRIDGES]
        for key, piece in [list(bridges.items())[i] for i in picked]:
            beside.append(Timed(piece.build(), piece.input_shapes, piece.key))
            self.bridges.append(key)
        common += deploy_timers(beside, self.conditions)
        total = max(1, -(-len(pieces) // GROUP))
        for timers in self._groups(pieces):
            done = len(self.groups)
            progress = self._progress(done, max(total, done + 1))
            samples = run_rounds([*common, *timers], self.anchors, self.rounds, self.rng, progress)
            self.groups.append(samples)

    def _groups(self, pieces: Pieces) -> Iterator[list[Timer]]:
        """Yield timers of the pieces, shuffled; at least one group, if only an empty one."""
        order = list(pieces)
        group: list[Timed] = []
        weights = 0
        for i in self.rng.permutation(len(order)):
            piece = pieces[order[i]]
            try:
                module = piece.build()
            except modules.RefusedError:  # no architecture of the space holds it
                continue
            group.append(Timed(module, piece.input_shapes, piece.key))
            self.keys.append(order[i])
            weights += sum(p.numel() for p in module.parameters())
            if len(group) == GROUP or weights > GROUP_WEIGHTS:
                yield deploy_timers(group, self.conditions)
                group, weights = [], 0
        if group or not self.groups:
            yield deploy_timers(group, self.conditions)

    def _progress(self, group: int, total: int) -> Progress | None:
        report_to = self.on_progress
        if report_to is None:
            return None
        return lambda done, of: report_to(group * of + done, total * of)

    def table(self, extend: LatencyTable | None) -> LatencyTable:
        """Reduce the groups to a table on one scale."""
        first, last = FIRST, FIRST + self.networks  # of the networks
        found = together(self.groups, last + len(self.bridges), self.networks)
        clock, empty = map(float, found.steady[:FIRST])
        link = 1.0
        if extend is not None and self.bridges:
            known = np.array([extend.entries[key][0] for key in self.bridges])
            factors = np.array([extend.factor(key) for key in self.bridges])
            link = _link(known, (found.steady[last:] - clock) * factors)
        self.network_ms = found.steady[first:last] * (
            1.0 if extend is None else link / extend.scale
        )
        self.repeated = halves(found.networks)
        entries = _entries(self.keys, found.own, clock, link)
        if extend is not None:
            added = {key: (ms * extend.factor(key), e) for key, (ms, e) in entries.items()}
            return replace(extend, entries={**extend.entries, **added})
        anchor_ms = dict(zip(NAMES, found.reference.tolist(), strict=True))
        rounds = min(len(group.wall) for group in self.groups)
        return LatencyTable(self.conditions, anchor_ms, rounds, empty, entries)

    def fit(
        self, table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
    ) -> None:
        """Fit a new table to the first of the networks, which are no part of the check.

        Eager torch runs piece by piece, so there sums hold up to one scale; a runtime that merges
        operators across pieces may get a factor for each kind of piece.
        """
        if not architectures:
            return
        kinds = sorted({kind_of(key) for key, _ in table.entries})
        sums = np.zeros((len(architectures), len(kinds)))
        for row, architecture in zip(sums, architectures, strict=True):
            for piece in (p for part in space.parts(architecture) for p in part.pieces()):
                ms, _ = table.entries[key_of(piece)]
                row[kinds.index(kind_of(piece.key))] += piece.times * ms
        own, free = self.network_ms[: len(sums)], self.conditions.runtime != "torch"
        model = fit(kinds, sums, table.overhead_ms, own, free=free)
        self.plain = replace(table)
        self.plain.adopt(replace(model, factors={}))
        table.adopt(model)

    def check(
        self, table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
    ) -> dict[str, Any]:
        """Return how well a table predicts the last of the networks measured beside its pieces."""
        own = slice(self.networks - len(architectures), None)
        measured = self.network_ms[own]
        even, odd = (half[own] for half in self.repeated)
        found = check_of(_predicted(table, space, architectures), measured, even, odd)
        if self.plain is not None:
            sums = _predicted(self.plain, space, architectures)
            found["sums_error"] = float(np.abs(sums / measured - 1).mean())
        return found

    def busy_reason(self, table: LatencyTable, limit: float) -> str | None:
        """Why the table must not be used: the median piece's error, or a shared processor."""
        errors = np.array([table.entries[key][1] for key in self.keys])
        if (
            reason := spread_reason(["the median piece"], np.median(errors)[None], limit)
        ) is not None:
            return reason
        # Longer than pieces, so the first to be interrupted.
        networks = slice(FIRST, FIRST + self.networks)
        whole = Samples(
            np.concatenate([group.wall[:, networks] for group in self.groups]),
            np.concatenate([group.cpu[:, networks] for group in self.groups]),
            np.concatenate([group.anchors[:, networks] for group in self.groups]),
        )
        return shared_core_reason(whole, self.conditions, limit)


def _predicted(
    table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
) -> NDArray[np.float64]:
    return np.array([table.predict(space.parts(a)) for a in architectures], dtype=np.float64)


def _entries(
    keys: list[Key], walls: list[NDArray[np.float64]], clock: float, link: float
) -> dict[Key, tuple[float, float]]:
    """The pieces' milliseconds without the clocks' own, and their relative errors."""
    ms = itertools.chain.from_iterable(medians(wall) for wall in walls)
    errors = itertools.chain.from_iterable(relative_errors(wall) for wall in walls)
    return {
        key: (max(float(m) - clock, 0.0) * link, float(e))
        for key, m, e in zip(keys, ms, errors, strict=True)
    }


def _link(known: NDArray[np.float64], again: NDArray[np.float64]) -> float:
    """The scale of a table against this session, by the slower half of what both hold.

    Nothing can be read from those that take hardly more than the clocks.
    """
    if not (known > 0).any():
        return 1.0  # every piece costs nothing within a network
    slow = known >= np.median(known[known > 0])
    return float(np.median(known[slow] / again[slow]))
