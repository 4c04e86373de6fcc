"""A recorded curve is JSON until it is looked at, and says then what was recorded."""

from __future__ import annotations

import json
import pickle

import pytest

from plugnas.nas.ledger.curve import Curve
from plugnas.nas.ledger.measurement import plain

POINTS = ({"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": None})


def test_it_is_the_points_that_were_recorded() -> None:
    curve = Curve(json.dumps(POINTS).encode())
    assert len(curve) == 2 and curve[-1] == POINTS[-1] and list(curve) == list(POINTS)
    assert curve == POINTS and curve[:1] == POINTS[:1] and curve != POINTS[:1]
    assert pickle.loads(pickle.dumps(curve)) == curve
    assert plain({"curve": curve}) == {"curve": list(POINTS)}


@pytest.mark.parametrize("text", [b"{}", b"[1]", b'[{"epoch": 1}', b"[" * 100_000])
def test_what_is_no_list_of_points_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Curve(text)
