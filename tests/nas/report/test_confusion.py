"""Which classes a network takes for each other, in the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugnas.nas.report import page
from plugnas.nas.report.confusion import confusion_of
from plugnas.nas.report.data import gather
from plugnas.nas.run.view import RunView
from tests.nas.report.browser import needs_browser, probe

MATRIX = [[8, 2, 0], [1, 0, 4], [0, 0, 0]]
PAIRS = [[1, 2, 4, 5], [0, 1, 2, 10], [1, 0, 1, 5]]


def told(view: RunView, extra: dict[str, Any]) -> RunView:
    """Return a run of which every measurement tells the same."""
    return replace(view, measurements=tuple(replace(m, extra=extra) for m in view.measurements))


def test_matrix_and_pairs_are_those_of_the_first_training(view: RunView) -> None:
    own = next(m for m in view.measurements if m.ok)
    later = replace(own, seed=1, extra={"confusion": [[1, 0], [0, 1]]})
    lower = replace(own, rung=own.rung + 1, extra={"confusion": [[0, 1], [1, 0]]})
    first = replace(own, extra={"confusion": MATRIX})
    failed = replace(first, status="failed")
    expected = {"seed": own.seed, "matrix": MATRIX, "pairs": PAIRS}
    assert confusion_of([failed, lower, first, later], own.rung) == {"confusion": expected}
    assert confusion_of([failed, lower], own.rung) == {}


def test_of_many_classes_the_pairs_are_shown(view: RunView) -> None:
    own = next(m for m in view.measurements if m.ok)
    matrix = (9 * np.eye(21, dtype=int)).tolist()
    matrix[4][7] = 3
    found = confusion_of([replace(own, extra={"confusion": matrix})], own.rung)["confusion"]
    assert found == {"seed": own.seed, "pairs": [[4, 7, 3, 12]]}
    kept = replace(own, extra={"confused": PAIRS})
    assert confusion_of([kept], own.rung) == {"confusion": {"seed": own.seed, "pairs": PAIRS}}


@pytest.mark.parametrize(
    "foreign",
    ["text", 3, [], [[1]], [[1, 2], [3]], [[1, -2], [0, 1]], [[1, "<b>"], [0, 1]], [0, 1]],
)
def test_what_is_no_matrix_is_not_shown(view: RunView, foreign: Any) -> None:
    own = next(m for m in view.measurements if m.ok)
    assert confusion_of([replace(own, extra={"confusion": foreign})], own.rung) == {}
    assert confusion_of([replace(own, extra={"confused": [foreign]})], own.rung) == {}


def test_a_run_without_matrices_has_none(view: RunView) -> None:
    data = gather(view)
    assert data["class_names"] == [str(i) for i in range(10)]
    assert not any("confusion" in network for network in data["networks"])


SCRIPT = """(view, page) => {
  const cells = [...page.querySelectorAll('#confusion-table [data-heat]')];
  return {
    hidden: page.getElementById('confusion').hidden,
    rows: [...page.querySelectorAll('#confusion-table tr')].map((r) => r.innerText.split(/\\s+/).filter(Boolean)),
    filled: cells.map((c) => view.getComputedStyle(c).backgroundColor),
    note: page.getElementById('confusion-note').textContent,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
  };
}"""  # noqa: E501


@needs_browser
@pytest.mark.parametrize("extra", [{"confusion": MATRIX}, {"confused": PAIRS}])
def test_in_a_browser(view: RunView, tmp_path: Path, extra: dict[str, Any]) -> None:
    found, console = probe(page(told(view, extra)), SCRIPT, tmp_path, width=390)
    assert console == [] and not found["hidden"] and found["overflow"] == 0
    if "confused" in extra:
        assert found["rows"][1:] == [["1", "2", "4", "80.0", "%"], ["0", "1", "2", "20.0", "%"],
                                     ["1", "0", "1", "20.0", "%"]]  # fmt: skip
        assert "The 3 most frequent errors of 10 classes." in found["note"]
        return
    assert found["rows"][1] == ["0", "8", "2", "·", "80.0", "%"]
    assert found["rows"][3] == ["2", "·", "·", "·", "no", "image"]
    right, wrong, none = found["filled"][:3]
    assert len({right, wrong, none}) == 3
    assert "Most often taken for another: 1 as 2 (4 of 5), 0 as 1 (2 of 10)" in found["note"]
