"""A run while it goes on: how far it is, what came last, and to stop or resume it.

Stopping is what Ctrl-C does: the process that holds the run's lock is sent SIGINT. Resuming is
what ``nas search RUN`` does, in a process of its own.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from plugnas.modules import PlugnasError
from plugnas.nas.ledger.lock import holder
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.page import page
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.python_run import read_run
from plugnas.nas.run.status import as_dict, status
from plugnas.nas.run.view import RunView

RECENT = 8
"""Evaluations that are shown as the last ones."""

LOG = "search.log"


class WatchError(PlugnasError):
    """A run that cannot be stopped or resumed from here."""


class Live:
    """A run directory that is being looked at; safe to be asked from several threads.

    What is read from the ledger is kept until the ledger changes.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._run = read_run(run_dir)
        self._one_at_a_time = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._told: dict[str, Any] = {}
        self._page_stamp: tuple[int, ...] = (-1,)
        self._page = ""
        self._child: subprocess.Popen[bytes] | None = None

    def state(self) -> dict[str, Any]:
        """Return how far the run is, as JSON data."""
        with self._one_at_a_time:
            stamp = self._now()
            if stamp != self._stamp or not self._told:
                self._told, self._stamp = self._read(), stamp
            driver = holder(self.run_dir)
            return {
                **self._told,
                "version": "-".join(map(str, stamp)),
                "driver": driver,
                "left": self._left() if driver else None,
                "can_stop": _is_ours(driver),
                "can_resume": driver is None and self._can_resume(),
            }

    def report(self) -> str:
        """Return the page that `nas front` would write now."""
        with self._one_at_a_time:
            stamp = self._now()
            if stamp != self._page_stamp:
                self._page, self._page_stamp = page(RunView.open(read_run(self.run_dir))), stamp
            return self._page

    def stop(self) -> None:
        """End the search as Ctrl-C does; what is recorded stays.

        Raises:
            WatchError: no search is running, or it runs on another machine.
        """
        driver = holder(self.run_dir)
        if driver is None or not _is_ours(driver):
            raise WatchError("no search on this machine is running, so there is none to stop")
        os.kill(int(driver["pid"]), signal.SIGINT)

    def resume(self) -> None:
        """Go on with the search, as ``nas search RUN`` does; it outlives this page.

        Raises:
            WatchError: its search is running, is done, or has no job file.
        """
        if holder(self.run_dir) is not None or not self._can_resume():
            raise WatchError("its search is running, is done, or was started from Python")
        with (self.run_dir / LOG).open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "plugnas", "search", str(self.run_dir)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _now(self) -> tuple[int, ...]:
        """Return what changes when something was recorded."""
        files = [self._run.ledger, self.run_dir / "confirm" / "confirm.jsonl"]
        return tuple(_size(file) for file in files)

    def _read(self) -> dict[str, Any]:
        view = RunView.light(read_run(self.run_dir))
        told = as_dict(status(self.run_dir))
        recent = [_recent(m, view) for m in reversed(view.measurements[-RECENT:])]
        return {**told, "recent": recent, "rungs": view.top_rung + 1, "name": _name(self.run_dir)}

    def _left(self) -> float | None:
        """Return the seconds left at the pace of the run so far."""
        tried, trials, seconds = (self._told[n] for n in ("tried", "trials", "seconds"))
        if not tried or not trials or not seconds:
            return None
        return float(max(0, trials - tried) * seconds / tried)

    def _can_resume(self) -> bool:
        if self._child is not None and self._child.poll() is None:
            return False
        told = self._told or self._read()
        of_job = isinstance(self._run, RunDirectory)
        return of_job and (told["trials"] is None or told["tried"] < told["trials"])


def _is_ours(driver: dict[str, Any] | None) -> bool:
    """Whether the driver is a process of this machine that may be sent a signal."""
    if not driver or driver.get("host") != os.uname().nodename:
        return False
    pid = driver.get("pid")
    if not isinstance(pid, int) or pid < 2:
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _recent(m: Measurement, view: RunView) -> dict[str, Any]:
    value = m.values.get(view.metric.name, math.nan)
    return {
        "number": m.number,
        "id": m.architecture.id,
        "rung": m.rung + 1,
        "value": view.metric.text(value) if m.ok else None,
        "reason": m.reason,
        "seconds": round(m.seconds, 1),
    }


def _name(run_dir: Path) -> str:
    return run_dir.resolve().name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


__all__ = ["LOG", "Live", "WatchError"]
