"""A runtime that merges operators across pieces: the measured error chooses the model, and is told.

The milliseconds are made: every piece takes its own, a network those of its pieces but for the
kinds that the runtime merges into what stands before them.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from plugnas.nas.latency import LatencyTable, measure, session
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.figures import kind_of
from plugnas.nas.latency.protocol import Sample, Timer
from plugnas.nas.latency.runtime import Timed
from plugnas.nas.latency.session import Session
from plugnas.space import SearchSpace

SPACE = {
    "stem": {"width": [4, 8]},
    "stages": [{"width": [4, 8, 12], "depth": [1, 2], "stride": 2}],
    "slots": {
        "operator": {"choices": ["conv", "ghost"], "scope": "stage"},
        "attention": {"choices": ["none", "se", "eca"], "scope": "stage"},
        "activation": {"choices": ["relu", "hardswish"], "scope": "network"},
    },
}
CALL = 0.01  # ms: what the call of a session takes, which is in every sample


def _piece_ms(name: str) -> float:
    return 0.02 + (sum(name.encode()) % 89) / 400


def _table(monkeypatch: pytest.MonkeyPatch, runtime: str, merged: Collection[str]) -> LatencyTable:
    """Measure a table in a runtime that merges these kinds of pieces, up to 1 % of noise."""
    space = SearchSpace.from_config(SPACE, (3, 12, 12), 5)
    conditions, rng = Conditions("cpu", "a chip", runtime=runtime), np.random.default_rng(0)
    networks, fitted = measure.beside(space, None, conditions, 12, rng)
    whole = {}
    for architecture in networks:
        pieces = [p for part in space.parts(architecture) for p in part.pieces()]
        kept = [p for p in pieces if kind_of(p.key) not in merged]
        whole[architecture.id] = sum(p.times * _piece_ms(p.key) for p in kept)

    def timer(one: Timed) -> Timer:
        ms = CALL + whole.get(one.name, _piece_ms(one.name))

        def run() -> Sample:
            taken = ms * float(np.exp(0.01 * rng.standard_normal()))
            return Sample(taken, taken)

        return run

    calls = (lambda: Sample(CALL, CALL),) * 2
    monkeypatch.setattr(session, "deploy_timers", lambda wanted, _: list(map(timer, wanted)))
    monkeypatch.setattr(session, "bare_timers", lambda _: calls)
    monkeypatch.setattr(session, "anchor_timers", lambda _: [lambda: Sample(1.0, 1.0)] * 3)
    measured = Session(conditions, 12, rng, None)
    pieces_of = measure.pieces_of_space(space, 1000)
    measured.run(pieces_of, {}, space, networks)
    table = measured.table(None)
    measured.fit(table, space, networks[:fitted])
    table.check = measured.check(table, space, networks[fitted:]) | {
        "load": [0.0, 0.0], "clocks": None,
    }  # fmt: skip
    return table


def test_where_two_kinds_are_merged_each_kind_gets_a_factor(monkeypatch):
    table = _table(monkeypatch, "onnxruntime", ["activation", "attention"])
    assert table.factors["attention"] < 0.2
    assert table.check["mean_error"] < 0.03 < 0.06 < table.check["sums_error"]
    said = table.text()
    assert f"plain sums would be off by {table.check['sums_error']:.1%}: the runtime merges" in said
    assert "attention 0." in said


def test_where_nothing_is_merged_pieces_add_up(monkeypatch):
    table = _table(monkeypatch, "onnxruntime", [])
    assert table.factors == {}
    assert table.check["mean_error"] == table.check["sums_error"] < 0.02
    assert "pieces add up as they are" in table.text()


def test_eager_torch_merges_nothing_and_is_not_asked(monkeypatch):
    table = _table(monkeypatch, "torch", ["activation"])
    assert table.factors == {}
    assert "add up" not in table.text()
