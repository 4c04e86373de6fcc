"""A latency table that is damaged or foreign is refused with a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import ForeignTableError
from plugnas.nas.latency.table import LatencyTable

PIECE = ["conv", [[3, 8, 8]], 0.5, 0.01]


def saved(path: Path) -> dict[str, Any]:
    table = LatencyTable(Conditions(torch="2.0"), {"anchor": 1.0}, 5)
    table.entries["conv", ((3, 8, 8),)] = (0.5, 0.01)
    table.save(path)
    assert LatencyTable.load(path) == table
    data: dict[str, Any] = json.loads(path.read_text())
    assert data["pieces"] == [PIECE]
    return data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", 0), ("scale", "x"), ("scale", -1.0), ("rounds", 10**30), ("overhead_ms", None),
        ("anchors", {"anchor": 0}), ("anchors", []), ("check", None), ("check", {"load": "x"}),
        ("conditions", {"threads": "four"}), ("conditions", None), ("pieces", {}),
        ("pieces", [["conv", [[3, 8, 8]], "x", 0.1]]), ("pieces", [["conv", "abc", 0.1, 0.1]]),
        ("pieces", [["conv", [[3, 8, 8]], 0.1, -0.1]]), ("pieces", [[3, [], 0.1, 0.1]]),
    ],
)  # fmt: skip
def test_out_of_type_or_range(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({**saved(path), name: value}))
    with pytest.raises(ForeignTableError, match="is no latency table that can be read"):
        LatencyTable.load(path)


def test_deep_nesting_and_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    path.write_text('{"latency_table": 2, "check":' + "[" * 100_000)
    with pytest.raises(ForeignTableError, match="is no latency table that can be read"):
        LatencyTable.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ForeignTableError, match="no regular file"):
        LatencyTable.load(path)
