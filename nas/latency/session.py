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
from plugnas.nas.latency.pieces import Key, Pieces
from plugnas.nas.latency.report import busy_reason, shared_core_reason
from plugnas.nas.latency.rounds import Progress, Samples, anchor_timers, run_rounds
from plugnas.nas.latency.runtime import Timed, bare_timers, deploy_timers
from plugnas.nas.latency.statistics import kendall_tau, medians, relative_errors
from plugnas.nas.latency.table import LatencyTable
from plugnas.nas.latency.timers import Timer
from plugnas.space import Architecture, SearchSpace

GROUP = 512  # pieces alive at a time
GROUP_WEIGHTS = 2**27  # and parameters
BRIDGES = 64
FIRST = 2  # candidates before the networks: the clocks alone, and an empty module


class Session:
    """Groups of pieces, each interleaved with the same whole networks and with the anchors.

    What stands beside a network in a round decides how cold the caches are, and the small anchors
    feel that more than the networks do. So every group holds the same mixture, and groups are
    scaled to each other by the networks that all of them hold; a table that is extended is met
    again through ``bridges``, pieces that it knows already.

    Args:
        conditions: device and setting.
        rounds: how often each is timed.
        rng: draws the order.
        on_progress: hears of each round.
    """

    def __init__(
        self,
        conditions: Conditions,
        rounds: int,
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
        reference = np.median([group.anchor_medians for group in self.groups], axis=0)
        walls = [group.normalised(reference) for group in self.groups]
        first, last = FIRST, FIRST + self.networks  # of the networks
        shared = slice(0, last + len(self.bridges))
        scales = np.array([medians(wall[:, shared]) for wall in walls])  # (groups, shared)
        steady = np.median(scales, axis=0)
        factors = np.exp(-np.median(np.log(scales / steady), axis=1))
        clock, empty = map(float, steady[:FIRST])
        link = 1.0
        if extend is not None and self.bridges:
            known = np.array([extend.entries[key][0] for key in self.bridges])
            link = _link(known, steady[last:] - clock)
        own = [w[:, shared.stop :] * f for w, f in zip(walls, factors, strict=True)]
        whole = np.concatenate([w[:, first:last] * f for w, f in zip(walls, factors, strict=True)])
        self.network_ms = steady[first:last] * (1.0 if extend is None else link / extend.scale)
        self.repeated = medians(whole[::2]), medians(whole[1::2] if len(whole) > 1 else whole)
        entries = _entries(self.keys, own, clock, link)
        if extend is not None:
            return replace(extend, entries={**extend.entries, **entries})
        anchor_ms = dict(zip(NAMES, reference.tolist(), strict=True))
        return LatencyTable(self.conditions, anchor_ms, self.rounds, empty, entries)

    def fit(
        self, table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
    ) -> None:
        """Scale a new table to the first of the networks, which are no part of the check."""
        if not architectures:
            return
        predicted = _predicted(table, space, architectures)
        table.scale = float(np.median(self.network_ms[: len(predicted)] / predicted))
        table.overhead_ms *= table.scale
        table.entries = {key: (ms * table.scale, e) for key, (ms, e) in table.entries.items()}

    def check(
        self, table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
    ) -> dict[str, Any]:
        """Return how well a table predicts the last of the networks measured beside its pieces.

        No prediction can rank them better than they rank themselves: ``repeat_tau`` is Kendall's
        tau of every second round against the others.
        """
        own = slice(self.networks - len(architectures), None)
        predicted, measured = _predicted(table, space, architectures), self.network_ms[own]
        ratio = predicted / measured
        return {
            "networks": len(architectures),
            "mean_error": float(np.abs(ratio - 1).mean()),
            "worst_error": float(np.abs(ratio - 1).max()),
            "bias": float(np.median(ratio) - 1),
            "kendall_tau": _or_none(kendall_tau(predicted, measured)),
            "repeat_tau": _or_none(kendall_tau(*(half[own] for half in self.repeated))),
            "measured_ms": measured.tolist(),
            "predicted_ms": predicted.tolist(),
        }

    def busy_reason(self, table: LatencyTable, limit: float) -> str | None:
        """Why the table must not be used: the median piece's error, or a shared processor."""
        errors = np.array([table.entries[key][1] for key in self.keys])
        if (
            reason := busy_reason(["the median piece"], np.median(errors)[None], limit)
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


def _or_none(tau: float) -> float | None:
    """One network has no ranking, and JSON has no NaN."""
    return None if np.isnan(tau) else tau


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
    slow = known >= np.median(known)
    return float(np.median(known[slow] / again[slow]))
