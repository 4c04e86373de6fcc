"""One session that measures a space's parts, with whole networks beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

import modules
from nas.latency.anchors import NAMES
from nas.latency.conditions import Conditions
from nas.latency.parts import Key
from nas.latency.report import busy_reason, starved_reason
from nas.latency.rounds import Progress, Samples, anchor_timers, run_rounds
from nas.latency.statistics import kendall_tau, medians, relative_errors
from nas.latency.table import LatencyTable
from nas.latency.timers import Timer, timer
from space import Architecture, Part, SearchSpace

GROUP = 512  # parts alive at a time
GROUP_WEIGHTS = 2**27  # and parameters
BRIDGES = 64


class Session:
    """Groups of parts, each interleaved with the same whole networks and with the anchors.

    What stands beside a network in a round decides how cold the caches are, and the small anchors
    feel that more than the networks do. So every group holds the same mixture, and groups are
    scaled to each other by the networks that all of them hold; a table that is extended is met
    again through ``bridges``, parts that it knows already.
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
        self.keys: list[Key] = []  # of the parts, in the order in which the groups hold them
        self.bridges: list[Key] = []
        self.groups: list[Samples] = []
        self.networks = 0
        self.network_ms = np.zeros(0)

    def run(
        self,
        parts: dict[Key, Part],
        bridges: dict[Key, Part],
        space: SearchSpace,
        architectures: Sequence[Architecture],
    ) -> None:
        """Measure; every group is: an empty module, the networks, the bridges, its own parts."""
        read = anchor_timers(self.conditions)
        shape = space.parts(architectures[0])[0].input_shape
        common: list[Timer] = [timer(nn.Identity(), (1, 1, 1), self.conditions)]
        common += [deploy_timer(space.build(a), shape, self.conditions) for a in architectures]
        self.networks = len(architectures)
        picked = self.rng.permutation(len(bridges))[:BRIDGES]
        for key, part in [list(bridges.items())[i] for i in picked]:
            common.append(deploy_timer(part.build(), part.input_shape, self.conditions))
            self.bridges.append(key)
        total = max(1, -(-len(parts) // GROUP))
        for timers in self._groups(parts):
            done = len(self.groups)
            progress = self._progress(done, max(total, done + 1))
            samples = run_rounds([*common, *timers], read, self.rounds, self.rng, progress)
            self.groups.append(samples)

    def _groups(self, parts: dict[Key, Part]) -> Iterator[list[Timer]]:
        """Yield timers of the parts, shuffled; at least one group, if only an empty one."""
        order = list(parts)
        timers: list[Timer] = []
        weights = 0
        for i in self.rng.permutation(len(order)):
            part = parts[order[i]]
            try:
                module = part.build()
            except modules.RefusedError:  # no architecture of the space holds it
                continue
            timers.append(deploy_timer(module, part.input_shape, self.conditions))
            self.keys.append(order[i])
            weights += sum(p.numel() for p in module.parameters())
            if len(timers) == GROUP or weights > GROUP_WEIGHTS:
                yield timers
                timers, weights = [], 0
        if timers or not self.groups:
            yield timers

    def _progress(self, group: int, total: int) -> Progress | None:
        report_to = self.on_progress
        if report_to is None:
            return None
        return lambda done, of: report_to(group * of + done, total * of)

    def table(self, extend: LatencyTable | None) -> LatencyTable:
        """Reduce the groups to a table on one scale."""
        reference = np.median([group.anchor_medians for group in self.groups], axis=0)
        walls = [group.normalised(reference) for group in self.groups]
        shared = slice(0, 1 + self.networks + len(self.bridges))
        scales = np.array([medians(wall[:, shared]) for wall in walls])  # (groups, shared)
        steady = np.median(scales, axis=0)
        factors = np.exp(-np.median(np.log(scales / steady), axis=1))
        empty = float(steady[0])
        link = 1.0
        if extend is not None and self.bridges:
            known = np.array([extend.entries[key][0] for key in self.bridges])
            link = float(np.median(known / (steady[1 + self.networks :] - empty)))
        own = [w[:, shared.stop :] * f for w, f in zip(walls, factors, strict=True)]
        self.network_ms = steady[1 : 1 + self.networks] * link
        entries = _entries(self.keys, own, empty, link)
        if extend is not None:
            return replace(extend, entries={**extend.entries, **entries})
        anchor_ms = dict(zip(NAMES, reference.tolist(), strict=True))
        return LatencyTable(self.conditions, anchor_ms, self.rounds, empty, entries)

    def check(
        self, table: LatencyTable, space: SearchSpace, architectures: Sequence[Architecture]
    ) -> dict[str, Any]:
        """Return how well a table predicts the networks measured beside its parts."""
        predicted = np.array([table.predict(space.parts(a)) for a in architectures])
        ratio = predicted / self.network_ms
        return {
            "networks": len(architectures),
            "mean_error": float(np.abs(ratio - 1).mean()),
            "worst_error": float(np.abs(ratio - 1).max()),
            "bias": float(np.median(ratio) - 1),
            "kendall_tau": kendall_tau(predicted, self.network_ms),
            "measured_ms": self.network_ms.tolist(),
            "predicted_ms": predicted.tolist(),
        }

    def busy_reason(self, table: LatencyTable, limit: float) -> str | None:
        """Why the table must not be used: the median part's error, or a shared processor."""
        errors = np.array([table.entries[key][1] for key in self.keys])
        if (reason := busy_reason(["the median part"], np.median(errors)[None], limit)) is not None:
            return reason
        networks = slice(1, 1 + self.networks)  # longer than parts, so the first to be interrupted
        whole = Samples(
            np.concatenate([group.wall[:, networks] for group in self.groups]),
            np.concatenate([group.cpu[:, networks] for group in self.groups]),
            np.concatenate([group.anchors[:, networks] for group in self.groups]),
        )
        return starved_reason(whole, self.conditions, limit)


def _entries(
    keys: list[Key], walls: list[NDArray[np.float64]], empty: float, link: float
) -> dict[Key, tuple[float, float]]:
    """The parts' milliseconds without the call around them, and their relative errors."""
    ms = itertools.chain.from_iterable(medians(wall) for wall in walls)
    errors = itertools.chain.from_iterable(relative_errors(wall) for wall in walls)
    return {
        key: (max(float(m) - empty, 0.0) * link, float(e))
        for key, m, e in zip(keys, ms, errors, strict=True)
    }


def deploy_timer(module: nn.Module, shape: tuple[int, ...], conditions: Conditions) -> Timer:
    """A timer of the module's deploy form."""
    return timer(modules.fuse(module), shape, conditions)
