"""The page that lives: who is answered, what it says, what its buttons do, in a real browser."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.report.live import Live, WatchError
from plugnas.nas.report.watch import ADDRESS, Server
from tests.nas.report.browser import BINARY, FLAGS, needs_browser
from tests.nas.report.synthetic_run import make_run

DRIVER = """
import signal, sys, time
from plugnas.nas.ledger.lock import RunLock
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test begun with & ignores it
with RunLock(sys.argv[1]):
    print("begun", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@contextmanager
def served(run_dir: Path) -> Iterator[Server]:
    with Server(Live(run_dir)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    line = http.client.HTTPConnection(ADDRESS, server.server_port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line.request(method, path, headers={"Host": server.hosts[0], **named})
    answer = line.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("watch") / "run", trials=12)


def test_only_who_knows_the_token_and_this_host_is_answered(own):
    with served(own.path) as server:
        assert server.server_address[0] == "127.0.0.1"
        place = f"/{server.token}/"
        assert len(server.token) >= 24
        assert ask(server, place)[0] == 200
        assert ask(server, "/")[0] == ask(server, "/x/state")[0] == 403
        for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1"):
            assert ask(server, f"{place}state", Host=host)[0] == 403
        assert ask(server, f"{place}state", Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(server, f"{place}ledger.jsonl")[0] == 404
        for origin in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
            assert ask(server, f"{place}stop", "POST", **origin)[0] == 403
        assert ask(server, f"{place}stop")[0] == 404  # changing something takes a POST


def test_the_state_and_the_report_are_those_of_the_run_now(own, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(own.path, run_dir)
    lines = own.ledger.read_text().splitlines(keepends=True)
    (run_dir / "ledger.jsonl").write_text("".join(lines[:6]))
    with served(run_dir) as server:
        place = f"/{server.token}/"
        first = json.loads(ask(server, f"{place}state")[1])
        assert (first["tried"], first["trials"], first["name"]) == (5, 12, "run")
        assert [m["number"] for m in first["recent"]] == [4, 3, 2, 1, 0]
        assert first["driver"] is first["left"] is None
        assert (first["can_stop"], first["can_resume"]) == (False, True)
        before = ask(server, f"{place}report")[1]
        (run_dir / "ledger.jsonl").write_text("".join(lines))
        second = json.loads(ask(server, f"{place}state")[1])
        assert second["version"] != first["version"]
        assert (second["tried"], second["can_resume"]) == (12, False)  # it is done
        failed = sum(json.loads(line).get("status") == "failed" for line in lines)
        assert failed > 0
        assert second["reasons"] == {"diverged": failed}
        after = ask(server, f"{place}report")[1]
        assert len(after) > len(before)
        assert "connect-src" not in after  # report.html itself: it asks for nothing


def test_stop_is_what_ctrl_c_does(own, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(own.path, run_dir)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(run_dir)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert driver.stdout.readline() == "begun\n"
        with served(run_dir) as server:
            place, origin = f"/{server.token}/", f"http://{server.hosts[0]}"
            state = json.loads(ask(server, f"{place}state")[1])
            assert state["driver"]["pid"] == driver.pid
            assert state["left"] is not None
            assert (state["can_stop"], state["can_resume"]) == (True, False)
            assert ask(server, f"{place}resume", "POST", Origin=origin)[0] == 409
            assert ask(server, f"{place}stop", "POST", Origin=origin)[0] == 200
            assert driver.communicate(timeout=60)[0] == "interrupted\n"
            assert ask(server, f"{place}stop", "POST", Origin=origin)[0] == 409
    finally:
        driver.kill()
        driver.wait()


def test_a_driver_elsewhere_is_not_stopped_from_here(own, tmp_path, monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    with RunLock(tmp_path):
        shutil.copy(own.ledger, tmp_path)
        shutil.copy(own.path / "job.yaml", tmp_path)
        lock = tmp_path / "driver.lock"
        lock.write_text(json.dumps({**json.loads(lock.read_text()), "host": "elsewhere"}))
        live = Live(tmp_path)
        assert live.state()["driver"]["host"] == "elsewhere"
        assert not live.state()["can_stop"]
        with pytest.raises(WatchError, match="no search on this machine"):
            live.stop()
    assert killed == []


def test_resume_starts_the_search_of_the_run(own, tmp_path, monkeypatch):
    shutil.copytree(own.path, tmp_path / "run")
    lines = own.ledger.read_text().splitlines(keepends=True)
    (tmp_path / "run" / "ledger.jsonl").write_text("".join(lines[:4]))
    begun = []

    class Begun:
        def __init__(self, words, **options):
            begun.append((words, options["start_new_session"]))

        def poll(self):
            return None

    monkeypatch.setattr(subprocess, "Popen", Begun)
    live = Live(tmp_path / "run")
    assert live.state()["can_resume"]
    live.resume()
    words = [sys.executable, "-m", "plugnas", "search", str(tmp_path / "run")]
    assert begun == [(words, True)]
    assert not live.state()["can_resume"]  # until it holds the lock, or has ended
    with pytest.raises(WatchError, match="its search is running"):
        live.resume()


def dom(url: str, folder: Path, width: int) -> tuple[str, list[str]]:
    flags = [f for f in FLAGS if not f.startswith(("--virtual-time", "--host-resolver"))]
    done = subprocess.run(
        [str(BINARY), *flags, "--virtual-time-budget=9000", f"--window-size={width},844",
         f"--user-data-dir={folder / 'profile'}", "--dump-dom", url],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_browser
def test_in_a_browser_the_page_follows_the_run(own, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(own.path, run_dir)
    with served(run_dir) as server:
        found, console = dom(server.url, tmp_path, 500)
        assert console == []
        assert "12 of 12 trials" in found
        assert "trial 12, rung 1:" in found
        assert "failed evaluations:" in found
        assert 'id="stop" hidden' in found
        assert 'src="report"' in found
