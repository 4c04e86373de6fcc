"""What runs a forward that is timed: torch as it is, or a runtime on the exported graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from plugnas import modules
from plugnas.nas.latency import timers
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.timers import Timer


class Timed(NamedTuple):
    """What is to be timed: a module, the (C, H, W) of each input, and what errors call it."""

    module: nn.Module
    shapes: Sequence[tuple[int, ...]]
    name: str = ""


EMPTY = Timed(nn.Identity(), [(1, 1, 1)], "an empty module")


def make_timers(wanted: Sequence[Timed], conditions: Conditions) -> list[Timer]:
    """Return a timer of each module as it is, run by the runtime of the conditions.

    Raises:
        LatencyError: the runtime is missing, or cannot take a module.
    """
    if conditions.runtime == "executorch":
        from plugnas.nas.latency.executorch_timers import executorch_timers

        return executorch_timers([tuple(one) for one in wanted], conditions)  # type: ignore[misc]
    if conditions.runtime != "torch":
        from plugnas.nas.latency.graph_timers import graph_timers

        return graph_timers([tuple(one) for one in wanted], conditions)  # type: ignore[misc]
    return [timers.timer(one.module, one.shapes, conditions) for one in wanted]


def deploy_timers(wanted: Sequence[Timed], conditions: Conditions) -> list[Timer]:
    """Return a timer of the deploy form of each module.

    Raises:
        LatencyError: the runtime is missing, or cannot take a module.
    """
    return make_timers(
        [one._replace(module=modules.fuse(one.module)) for one in wanted], conditions
    )


def bare_timers(conditions: Conditions) -> tuple[Timer, Timer]:
    """Return timers of what is in every sample, and of a module that does nothing.

    The first is no work of a piece: the clocks' own time. Where a graph is run the call of a
    session is in every sample too, and a network makes one call where its pieces make many, so
    there both time the same. The second is what a network takes beside its pieces.
    """
    if conditions.runtime == "torch":
        return timers.clock_timer(conditions), make_timers([EMPTY], conditions)[0]
    clock, empty = make_timers([EMPTY, EMPTY], conditions)
    return clock, empty
