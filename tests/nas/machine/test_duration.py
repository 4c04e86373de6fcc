"""Seconds in words."""

from __future__ import annotations

import pytest

from plugnas.nas.machine.duration import spoken


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 second"),
        (20.4, "20 seconds"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (239, "4 minutes"),
        (5000, "83 minutes"),
        (5400, "1.5 hours"),
        (36000, "10 hours"),
        (200000, "2.5 days"),
    ],
)
def test_seconds_in_words(seconds, text):
    assert spoken(seconds) == text
