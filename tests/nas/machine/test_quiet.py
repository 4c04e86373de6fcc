"""The lock between training and latency, with real processes."""

import subprocess
import sys
import threading

import pytest

from plugnas.nas.machine.quiet import BusyMachineError, QuietError, quiet, training

HOLD = """
import sys
from plugnas.nas.machine.quiet import quiet, training
say = lambda word: print(word, flush=True)
with {kind}:
    say("held")
    sys.stdin.readline()
"""
KINDS = {"training": "training()", "quiet": "quiet(on_wait=lambda: say('waiting'))"}


@pytest.fixture(autouse=True)
def lock_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def hold():
    """Start processes that hold a side of the lock until they get a line."""
    started = []

    def start(kind):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(kind=KINDS[kind])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_many_train_and_none_measures_meanwhile(hold):
    first, second = hold("training"), hold("training")
    assert first.stdout.readline() == second.stdout.readline() == "held\n"
    waited = []
    with (
        pytest.raises(BusyMachineError, match="never taken while the machine trains"),
        quiet(timeout=0.2, on_wait=lambda: waited.append(1)),
    ):
        pytest.fail("measured while two processes trained")
    assert waited == [1]


def test_a_killed_training_frees_the_machine(hold):
    process = hold("training")
    process.stdout.readline()
    process.kill()
    process.wait()
    with quiet(timeout=5):
        pass


def test_training_waits_for_a_measurement(hold):
    measuring = hold("quiet")
    measuring.stdout.readline()
    trained = threading.Event()

    def train():
        with training():
            trained.set()

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    assert not trained.wait(0.3)
    measuring.communicate("\n")
    assert trained.wait(10)
    thread.join()


def test_a_measurement_that_waits_goes_before_later_trainings(hold):
    """A training that comes after a waiting measurement waits for it."""
    training_now = hold("training")
    training_now.stdout.readline()
    measuring = hold("quiet")
    assert measuring.stdout.readline() == "waiting\n"  # it waits, and later trainings wait for it
    later = hold("training")
    with pytest.raises(subprocess.TimeoutExpired):
        later.wait(1.0)
    training_now.communicate("\n")
    assert measuring.stdout.readline() == "held\n"
    assert later.poll() is None
    measuring.communicate("\n")
    assert later.stdout.readline() == "held\n"


def test_latency_within_an_evaluation_is_refused_at_once():
    with training(), pytest.raises(QuietError, match="this process is evaluating"), quiet():
        pass
    with quiet(timeout=5):
        pass


def test_a_lock_file_that_cannot_be_opened(monkeypatch, tmp_path):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path / "missing"))
    with pytest.raises(QuietError, match="PLUGNAS_LOCK_DIR"), training():
        pass
