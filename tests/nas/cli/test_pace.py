"""The seconds left of a search: exact values, a late trial, a machine that slept."""

from __future__ import annotations

from plugnas.nas.cli.pace import RECENT, Pace


def test_it_goes_down_with_the_clock_and_a_late_trial_adds_nothing():
    pace = Pace(2)  # two trials of an earlier session
    pace.tell(2, 9.0)
    assert pace.left(7, 9.0) is None
    pace.tell(3, 10.0)
    assert pace.left(7, 10.0) == 40.0
    assert pace.left(7, 15.0) == 35.0
    assert pace.left(7, 500.0) == 30.0  # due long ago: it may end at any moment
    pace.tell(5, 20.0)
    assert pace.left(7, 20.0) == 2 * 20 / 3
    pace.tell(7, 30.0)
    assert pace.left(7, 31.0) == 0.0


def test_a_night_asleep_is_forgotten():
    pace = Pace(0)
    pace.tell(1, 1.0)
    pace.tell(2, 30_000.0)
    assert pace.left(102, 30_000.0) == 100 * 15_000
    for n in range(1, RECENT + 1):
        pace.tell(2 + n, 30_000.0 + n)
    assert pace.left(118, 30_000.0 + RECENT) == 100.0
