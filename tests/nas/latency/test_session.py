"""A session on timers whose truth is known: sums, groups and extensions come out exactly."""

import dataclasses

import numpy as np
import pytest

from plugnas import modules
from plugnas.nas.latency import Conditions, session
from plugnas.nas.latency.pieces import is_buildable, pieces_of_space
from plugnas.nas.latency.session import Session
from plugnas.nas.latency.timers import Sample
from plugnas.space import SearchSpace
from plugnas.space.network import Network

CLOCK, EMPTY = 0.5, 0.7  # ms: what the clocks take, and an empty module with them


def _space(attention):
    config = {
        "stem": {"width": 8},
        "stages": [{"width": [8, 12], "depth": [1, 2], "stride": 2}],
        "slots": {
            "operator": ["conv"],
            "attention": attention,
            "fusion": {"choices": ["add", "aff"], "scope": "network"},
        },
    }
    return SearchSpace.from_config(config, (3, 12, 12), 5)


def work(module):
    """Milliseconds that add up: a thousandth per parameter of the deploy form."""
    return sum(p.numel() for p in modules.fuse(module).parameters()) / 1e3


def _measure(monkeypatch, space, extend=None, pace=1.0, beyond=1.0):
    """Measure a space on a machine whose modules take ``pace`` times what they should.

    Whole networks take ``beyond`` times the sum of their pieces.
    """

    def constant(ms):
        return lambda: Sample(pace * ms, pace * ms)

    def deploy(module):
        if isinstance(module, Network):
            return constant(beyond * (EMPTY + work(module)))
        return constant(CLOCK + work(module))

    monkeypatch.setattr(session, "GROUP", 9)
    monkeypatch.setattr(
        session, "deploy_timers", lambda wanted, conditions: [deploy(one.module) for one in wanted]
    )
    monkeypatch.setattr(
        session, "bare_timers", lambda conditions: (constant(CLOCK), constant(EMPTY))
    )
    anchors = [lambda: Sample(1.0, 1.0)] * 3
    monkeypatch.setattr(session, "anchor_timers", lambda conditions: anchors)
    rng = np.random.default_rng(0)
    known = {} if extend is None else extend.entries
    pieces = pieces_of_space(space, 1000)
    networks = space.architectures(space.sample_codes(6, rng))
    measured = Session(Conditions("cpu", "a chip"), 3, rng, None)
    measured.run(
        {k: p for k, p in pieces.items() if k not in known},
        {k: p for k, p in pieces.items() if k in known},
        space,
        networks,
    )
    table = measured.table(extend)
    if extend is None:
        measured.fit(table, space, networks[:3])
    table.check = measured.check(table, space, networks[3:])
    return table


@pytest.fixture(scope="module")
def space():
    return _space(["none", "se"])


@pytest.fixture(scope="module")
def table(space):
    with pytest.MonkeyPatch.context() as patch:
        return _measure(patch, space)


def test_pieces_add_up_to_networks(table, space):
    pieces = {k: p for k, p in pieces_of_space(space, 1000).items() if is_buildable(p)}
    assert table.entries.keys() == pieces.keys()
    for key, (ms, _) in table.entries.items():
        assert ms == pytest.approx(work(pieces[key].build()))
    assert (table.overhead_ms, table.scale) == (pytest.approx(EMPTY), pytest.approx(1))
    assert table.check["worst_error"] == pytest.approx(0, abs=1e-9)
    assert table.check["kendall_tau"] == pytest.approx(1)


def test_a_table_checked_on_one_network_is_read_again(table, tmp_path):
    unknown = {"kendall_tau": None, "load": [None, 1.0], "clocks": None}
    table = dataclasses.replace(table, check=table.check | unknown)
    table.save(tmp_path / "table.json")
    again = type(table).load(tmp_path / "table.json")
    assert again == table
    assert "Kendall tau unknown" in again.text()


def test_what_is_added_is_scaled_to_what_was_there(monkeypatch, space):
    table = _measure(monkeypatch, space, beyond=1.1)
    assert table.scale == pytest.approx(1.1)
    assert table.check["worst_error"] == pytest.approx(0, abs=1e-9)
    wider = _space(["none", "se", "eca"])
    extended = _measure(monkeypatch, wider, extend=table, pace=1.7, beyond=1.1)
    pieces = pieces_of_space(wider, 1000)
    assert extended.entries.keys() == pieces.keys()
    for key in extended.entries.keys() - table.entries.keys():
        expected = 1.1 * work(pieces[key].build())
        assert extended.entries[key][0] == pytest.approx(expected, abs=1e-6)
    assert extended.check["worst_error"] == pytest.approx(0, abs=1e-6)
