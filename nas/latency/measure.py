"""Measuring: whole architectures against each other, and the table of a space's pieces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from plugnas.nas.latency.anchors import NAMES
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import ForeignTableError, LatencyError
from plugnas.nas.latency.pieces import pieces_of_architectures, pieces_of_space
from plugnas.nas.latency.report import LatencyReport, report
from plugnas.nas.latency.rounds import anchor_timers, clocks_at_work, load, run_rounds, threads_set
from plugnas.nas.latency.runtime import Timed, deploy_timers
from plugnas.nas.latency.session import Session
from plugnas.nas.latency.settings import Settings
from plugnas.nas.latency.table import LatencyTable
from plugnas.nas.machine.quiet import BusyMachineError, quiet
from plugnas.space import Architecture, SearchSpace

CHECKS = 24  # whole networks that show what a table's predictions are worth
FITTED = 12  # others, on which its scale is fitted
FITTED_GRAPH = 36  # or, of a runtime that merges operators across pieces, a factor for each kind
MAX_PIECES = 20_000  # half an hour and more


def measure_architectures(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> LatencyReport:
    """Measure whole networks in deploy form on this device, interleaved, while nothing trains.

    Procedure: in each of r rounds every network, and the anchors beside it, runs once in a new
    random order, so that a drift of the machine meets all alike. The figure is the median of the
    rounds; its standard error is 1.2533 s / sqrt(r), that of a median of normal values, with
    s = 1.4826 MAD (Rousseeuw and Croux, 1993). Two networks tie where the median of the logarithm
    of their ratio, round by round, is below twice its error, or below 2 %.

    The report is ``busy`` and ranks nothing where the machine was too busy for the settings.

    Raises:
        BusyMachineError: trainings on this machine did not end within ``settings.wait`` seconds.
        LatencyError: the device is not there, or a setting is none.
    """
    if not architectures:
        raise LatencyError("at least one architecture is needed, but got none")
    shape = space.parts(architectures[0])[0].input_shape
    networks = {a.id: functools.partial(space.build, a) for a in architectures}
    return measure_networks(networks, shape, settings)


def measure_networks(
    networks: Mapping[str, Callable[[], nn.Module]],
    input_shape: tuple[int, ...],
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> LatencyReport:
    """Measure networks of any origin as ``measure_architectures`` does, each named and built.

    ``input_shape`` is (channels, height, width). Raises as ``measure_architectures``.
    """
    conditions = settings.conditions()
    with _undisturbed(settings, conditions):
        before = load()
        wanted = [Timed(build(), [input_shape], name) for name, build in networks.items()]
        timers = deploy_timers(wanted, conditions)
        rng = np.random.default_rng(settings.seed)
        read = anchor_timers(conditions)
        samples = run_rounds(timers, read, settings.rounds, rng, settings.on_progress)
        noted = clocks_at_work(conditions, read)
    names, loads = list(networks), (before, load())
    return report(names, samples, conditions, list(NAMES), loads, settings.limit, noted)


def measure_table(
    space: SearchSpace,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    *,
    architectures: Sequence[Architecture] | None = None,
    extend: LatencyTable | None = None,
    max_pieces: int = MAX_PIECES,
    checks: int = CHECKS,
) -> LatencyTable:
    """Measure the latency of every piece of a space, or of some architectures of it.

    With ``extend`` only what that table lacks is measured, beside some of what it holds, to which
    it is scaled. Whole networks are measured in the same session: on some a new table's scale is
    fitted, on ``checks`` others its predictions are held against what was measured.

    Args:
        space: the space.
        settings: how the latency is taken.
        architectures: measure the pieces of these alone.
        extend: a table that is kept and completed.
        max_pieces: above which nothing is measured.
        checks: whole networks on which the table is checked.

    Raises:
        BusyMachineError: the median error is above the limit, the processor was shared, or
            training did not end in time.
        ForeignTableError: the table to extend was measured under other conditions.
        LatencyError: no such device, a setting that is none, more than ``max_pieces`` pieces.
    """
    conditions = settings.conditions()
    if extend is not None and extend.conditions != conditions:
        raise ForeignTableError(
            f"a table is extended under the conditions it was measured in, but it says "
            f"{extend.conditions} and here is {conditions}"
        )
    if architectures is None:
        pieces = pieces_of_space(space, max_pieces)
    else:
        pieces = pieces_of_architectures(space, architectures)
    known = {} if extend is None else extend.entries
    wanted = {key: piece for key, piece in pieces.items() if key not in known}
    bridges = {key: piece for key, piece in pieces.items() if key in known}
    rng = np.random.default_rng(settings.seed)
    networks, fitted = beside(space, architectures, conditions, checks, rng)
    with _undisturbed(settings, conditions):
        before = load()
        session = Session(conditions, settings.rounds, rng, settings.on_progress)
        session.run(wanted, bridges, space, networks)
        state = {
            "load": [before, load()],
            "clocks": clocks_at_work(conditions, session.anchors),
        }
    table = session.table(extend)
    if extend is None:
        session.fit(table, space, networks[:fitted])
    table.check = {**session.check(table, space, networks[fitted:]), **state}
    if wanted and (reason := session.busy_reason(table, settings.limit)):
        raise BusyMachineError(reason)
    return table


def beside(
    space: SearchSpace,
    architectures: Sequence[Architecture] | None,
    conditions: Conditions,
    checks: int,
    rng: np.random.Generator,
) -> tuple[list[Architecture], int]:
    """Return the whole networks of a table's session, and how many of them it is fitted on.

    Args:
        space: the space.
        architectures: draw from these alone.
        conditions: how the latency is taken.
        checks: networks on which the table is checked.
        rng: draws them.
    """
    wanted = checks + (FITTED if conditions.runtime == "torch" else FITTED_GRAPH)
    pool = architectures or space.architectures(space.sample_codes(wanted, rng))
    networks = list({a.id: a for a in pool}.values())[:wanted]
    return networks, max(len(networks) - checks, len(networks) // 3)


@contextmanager
def _undisturbed(settings: Settings, conditions: Conditions) -> Iterator[None]:
    """Let nothing train meanwhile, and leave threads and random numbers as they were."""
    device = torch.device(conditions.device)
    drawn = [device] if device.type == "cuda" else []
    with (
        quiet(settings.wait, settings.on_wait),
        threads_set(settings.threads),
        torch.random.fork_rng(devices=drawn),
    ):
        yield
