"""Long work before a search: a bar on a terminal, few lines elsewhere, of short work nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from plugnas.nas.cli.work import WorkDisplay
from plugnas.nas.data import load
from plugnas.nas.machine.work import Work, counted, heard_by
from tests.nas.data.pictures import folder_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("plugnas.nas.cli.work.time.monotonic", lambda: now[0])
    return now


def images(clock: list[float], count: int, seconds: float) -> Iterator[int]:
    for i in range(count):
        clock[0] += seconds
        yield i


def test_plain_lines_come_after_two_seconds_and_then_once_a_minute(clock: list[float]) -> None:
    stream = io.StringIO()
    display = WorkDisplay(Console(file=stream))
    with heard_by(display):
        assert sum(1 for _ in counted(images(clock, 100, 1 / 64), "decoding short", 100)) == 100
        assert stream.getvalue() == ""
        for _ in counted(images(clock, 800, 1 / 8), "listing long"):
            pass
        for _ in counted(images(clock, 2000, 1 / 64), "decoding long", 2000):
            pass
    assert stream.getvalue().splitlines() == [
        "listing long: 17 images",
        "listing long: 497 images",
        "decoding long: 1,416 of 2,000 images",
    ]


def test_a_bar_on_a_terminal_is_taken_away_at_the_end(clock: list[float]) -> None:
    stream = io.StringIO()
    display = WorkDisplay(Console(file=stream, force_terminal=True, width=80, color_system=None))
    with heard_by(display):
        for _ in counted(images(clock, 20, 1 / 4), "decoding [red]", 20):
            pass
    text = stream.getvalue()
    assert "decoding [red]: 8 of 20 images" not in text
    assert "decoding [red]: 9 of 20 images" in text
    assert text.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, the line is empty


def test_an_error_ends_the_work() -> None:
    told: list[Work] = []
    with pytest.raises(KeyError), heard_by(told.append):
        for i in counted(range(9), "decoding", 9):
            if i == 2:
                raise KeyError
    assert told[-1] == Work("decoding", 2, 9, over=True)


def test_loading_images_tells_of_both_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    told: list[Work] = []
    root = folder_of(tmp_path / "pets")
    with heard_by(told.append):
        load(str(root))
        load(str(root))  # from the cache: nothing to decode
    assert [work for work in told if work.over] == [
        Work("reading the sizes of pets", 20, 20, over=True),
        Work("decoding pets", 20, 20, over=True),
    ]
    assert len(told) == 42
