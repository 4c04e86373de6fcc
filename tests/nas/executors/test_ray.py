"""Evaluation on a cluster: the same tasks, on nodes that die, return, or have other code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugnas.nas import executors
from plugnas.nas.executors import Executor, ExecutorError, SerialExecutor
from plugnas.nas.executors.callbacks import CallbackError
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.study.drive import Event, drive
from plugnas.nas.study.study import Study
from tests.nas.executors.test_executors import environment, ids
from tests.nas.killed_driver import kill_at_random
from tests.nas.runs import (
    Carried,
    CountCost,
    Table,
    broken_factory,
    found,
    lines_in,
    open_gate,
    study,
)

ray = pytest.importorskip("ray")
_require_listener = pytest.importorskip("plugnas.nas.executors.cluster")._require_listener
ray_executor = pytest.importorskip("plugnas.nas.executors.ray_executor")
ray_worker = pytest.importorskip("plugnas.nas.executors.ray_worker")

# Ray 2.60 leaves sockets, files and processes to the garbage collector and warns about its own
# future; none of it is ours to mend.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:ray"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

ROOT = str(Path(__file__).parents[3])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A real cluster on this machine: a head without CPUs and two nodes with two each."""
    from ray.cluster_utils import Cluster

    alert = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
    alert["worker_niceness"] = 0  # Ray's is 15: beside other tests its workers would hardly run
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": alert})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def run_on(table: Any, run: Study, listener: Any = None, **options: Any) -> Any:
    heard = [] if listener is None else [listener]
    return drive(run, executors.create("ray", table, **options), on_event=heard)


def test_equals_serial_and_repeats_nothing(cluster: Any, tmp_path: Path) -> None:
    """40 tasks; half of them after a restart; one diverges, which is a result (Tune: NaN)."""
    bad = ids(6)[5]
    whole = study(trials=40)
    drive(whole, SerialExecutor(Table(faults={bad: "nan"})))
    log = tmp_path / "log"
    for trials in (20, 40):
        run = study(tmp_path / "ledger.jsonl", trials=trials)
        assert run_on(Table(log=log, faults={bad: "nan"}), run, workers=1).reason == "done"
    assert found(run.measurements) == found(whole.measurements)
    assert [m.reason for m in run.measurements if not m.ok] == ["diverged: accuracy is nan"]
    assert len(log.read_text().splitlines()) == 40


@dataclass(frozen=True)
class OnNode(Table):
    """An evaluator factory that leaves the id of its node, then sleeps while ``hold`` is there."""

    hold: Path | None = None

    def evaluate(self, task: Task) -> dict[str, Any]:
        node = ray.get_runtime_context().get_node_id()
        if self.hold is not None and self.hold.exists():
            self.hold.with_name("process").write_text(str(os.getpid()))
            self.hold.with_name("begun").write_text(node)
            time.sleep(600)
        return {**Table.evaluate(self, task), "extra": {"node": node}}


def test_a_node_dies_under_two_of_four_and_its_room_is_filled_when_one_comes(
    cluster: Any, tmp_path: Path
) -> None:
    """All wait at a gate: four at once, then two and a dead node, then four again."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    open_gate(gate, 0)
    run = study(trials=16)
    nodes: list[Any] = []

    def listen(event: Event) -> None:
        if event.running < 4 or lines_in(log) < 4 + 2 * len(nodes):
            return  # some have not begun yet
        if nodes:
            open_gate(gate, 1000)
            return
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        nodes.append(cluster.add_node(num_cpus=2))

    assert run_on(OnNode(log=log, gate=gate), run, listen).reason == "done"
    whole = study(trials=16)
    drive(whole, SerialExecutor(Table()))
    assert found(run.measurements) == found(whole.measurements)
    assert len(run.measurements) == 16
    assert lines_in(log) == 16 + 2  # of what was done, nothing twice
    assert nodes[0].node_id in {m.extra["node"] for m in run.measurements}


def test_a_driver_killed_at_a_random_moment(cluster: Any, tmp_path: Path) -> None:
    kill_at_random(tmp_path, 1, 20, "ray", cluster.address)


def kill_node(cluster: Any, name: str) -> None:
    """Kill a node, and wait until the cluster knows; another takes its place."""
    node = next(node for node in cluster.list_all_nodes() if node.node_id == name)
    cluster.remove_node(node, allow_graceful=False)
    while any(n["NodeID"] == name and n["Alive"] for n in ray.nodes()):
        time.sleep(0.05)
    cluster.add_node(num_cpus=2)


def result(executor: Executor) -> Measurement:
    while True:
        for measurement in executor.wait(1.0):
            return measurement


def beginning(begun: Path, executor: Executor) -> str:
    """Wait until an evaluation has left its node's id, and take it away."""
    while not begun.exists() or len(begun.read_text()) < 56:
        assert executor.wait(0.05) == []
    name = begun.read_text()
    begun.unlink()
    return name


def test_nodes_that_die_cost_no_try(cluster: Any, tmp_path: Path) -> None:
    """One dies between two tasks, under an idle actor, and two under the same evaluation."""
    hold, begun = tmp_path / "hold", tmp_path / "begun"
    run = study(trials=3)
    first, second, third = (run.ask() for _ in range(3))
    executor = executors.create("ray", OnNode(hold=hold), workers=1, max_failures=0)
    executor.submit(first)  # type: ignore[arg-type]
    kill_node(cluster, result(executor).extra["node"])
    executor.submit(second)  # type: ignore[arg-type]
    assert result(executor).ok
    hold.touch()
    executor.submit(third)  # type: ignore[arg-type]
    kill_node(cluster, beginning(begun, executor))
    name = beginning(begun, executor)
    hold.unlink()
    kill_node(cluster, name)
    assert result(executor).ok
    executor.close()


def test_what_kills_or_hangs_is_failed_and_the_search_goes_on(cluster: Any) -> None:
    first, second, third = ids(3)
    run = study(trials=5)
    table = Table(faults={first: "kill", second: "hang", third: "memory"})
    run_on(table, run, evaluation_timeout=1.0, workers=2)
    bad = {m.number: m.reason or "" for m in run.measurements if not m.ok}
    assert set(bad) == {0, 1, 2}
    assert bad[0].startswith("killed: The actor is dead because its worker process has died.")
    assert bad[1] == "hung: no result within 1 s"
    assert bad[2] == "out of memory: MemoryError: no room for 1 EB"
    assert [m.extra["tries"] for m in run.measurements if not m.ok] == [3, 3, 3]
    assert sorted(m.number for m in run.measurements) == list(range(5))  # no retries on top


def test_both_workers_work_from_the_start_and_progress_tells_it(
    cluster: Any, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []
    log = tmp_path / "log"
    run = study(trials=10)

    def listen(event: Event) -> None:
        heard.append((event.study.finished, event.running))

    run_on(Table(seconds=0.3, log=log), run, listen, workers=2)
    processes = Counter(line.split()[1] for line in log.read_text().splitlines())
    assert sorted(processes.values())[0] >= 3  # of two, each
    assert len(processes) == 2
    assert heard[0] == (0, 0)
    assert max(running for _, running in heard) == 2


def test_halted_worker_is_replaced(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "LONG", 0.2)
    monkeypatch.setattr(ray_worker, "STOPPED", 0.6)
    hold, begun = tmp_path / "hold", tmp_path / "begun"
    hold.touch()
    run = study(trials=1)
    executor = executors.create("ray", OnNode(hold=hold), workers=1, max_failures=0)
    executor.submit(run.ask())  # type: ignore[arg-type]
    beginning(begun, executor)
    os.kill(int((tmp_path / "process").read_text()), signal.SIGSTOP)
    measurement = result(executor)
    executor.close()
    assert measurement.reason == "stopped: its process was halted (SIGSTOP) for 0.6 s"


def test_callback_that_raises_ends_the_run(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Broken(ray.tune.Callback):  # type: ignore[misc,name-defined]
        def on_trial_result(self, *args: Any, **info: Any) -> None:
            raise OSError("no such server")

    monkeypatch.setattr(ray_executor, "of_ray", lambda *given: [Broken()])
    with pytest.raises(ExecutorError, match="Broken failed: no such server"):
        run_on(Table(), study(trials=3), workers=1, run_dir=tmp_path)


def test_what_fits_no_node_is_refused(cluster: Any) -> None:
    with pytest.raises(ExecutorError, match="1 CPUs and 0.25 GPUs of one node, but .* 2 CPUs and"):
        executors.create("ray", Table(), gpus=0.25)
    with pytest.raises(ExecutorError, match="3 CPUs and 0 GPUs of one node"):
        executors.create("ray", Table(), cpus=3)


def test_data_goes_into_the_object_store_once(cluster: Any, tmp_path: Path) -> None:
    run = study(trials=14)
    run_on(Carried(seconds=0.2, pickles=tmp_path / "pickles"), run, workers=2)
    assert len(found(run.measurements)) == 14
    assert (tmp_path / "pickles").read_text() == "pickled\n"


def test_factory_that_fails_ends_the_run(cluster: Any) -> None:
    with pytest.raises(ExecutorError, match="no images at /nowhere"):
        run_on(broken_factory, study(trials=3), workers=1)


def add_node(cluster: Any, folder: Path, customize: str) -> Any:
    """Add a node whose processes run a piece of Python before all else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(customize)
    return cluster.add_node(num_cpus=2, env_vars={"PYTHONPATH": f"{folder}:{ROOT}"})


LACKS = """
import sys

class Lacks:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "plugnas":
            raise ModuleNotFoundError("No module named 'plugnas'", name="plugnas")

sys.meta_path.insert(0, Lacks())
"""

OTHER = """
import importlib.metadata as metadata
version = metadata.version
metadata.version = lambda name: "0.0.7" if name == "plugnas" else version(name)
"""


def test_nodes_with_other_code_are_not_used(
    cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = [
        add_node(cluster, tmp_path / name, code) for name, code in (("a", LACKS), ("b", OTHER))
    ]
    run = study(trials=14)
    run_on(OnNode(seconds=0.2), run)
    for node in nodes:
        cluster.remove_node(node)
    told = " ".join(r.getMessage() for r in caplog.records if r.name == "plugnas")
    assert "it has no `plugnas`: install there what is installed here" in told
    assert "it has another plugnas (0.0.7 for " in told
    assert len(found(run.measurements)) == 14  # none failed
    assert not {node.node_id for node in nodes} & {m.extra["node"] for m in run.measurements}


def test_where_every_node_has_other_code_the_run_ends(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**ray_executor.fingerprint(), "sources": "0"}
    monkeypatch.setattr(ray_executor, "fingerprint", lambda: own)
    run = study(trials=3)
    with pytest.raises(ExecutorError, match="it has other sources of plugnas, so that its figur"):
        run_on(Table(), run, workers=1)
    assert not run.measurements


def test_tensorboard_gets_every_measurement(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    named = ray_executor.of_ray

    class Notes(ray.tune.Callback):  # type: ignore[misc,name-defined]
        def on_trial_result(self, iteration, trials, trial, result, **info):  # type: ignore[no-untyped-def]
            seen.append(dict(result))

    monkeypatch.setattr(ray_executor, "of_ray", lambda *given: [*named(*given), Notes()])
    executor = executors.create(
        "ray", Table(), workers=1, callbacks=["tensorboard"], cost=CountCost(), run_dir=tmp_path
    )
    run = study(trials=5)
    drive(run, executor)
    assert sorted(r["accuracy"] for r in seen) == sorted(m["accuracy"] for m in values(run))
    assert sorted(r["params"] for r in seen) == sorted(m.costs["params"] for m in run.measurements)
    assert all("measurement" not in r for r in seen)
    assert len(list((tmp_path / "ray").rglob("events.out.tfevents.*"))) == 5


def values(run: Study) -> list[Any]:
    return [m.values for m in run.measurements]


def test_interrupt_leaves_nothing_running(cluster: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = study(tmp_path / "ledger.jsonl", trials=8)

    def stop(event: Event) -> None:
        if log.exists() and len(log.read_text().splitlines()) >= 2:
            raise KeyboardInterrupt

    assert run_on(Table(seconds=600, log=log), run, stop, workers=2).reason == "interrupted"
    again = study(tmp_path / "ledger.jsonl", trials=8)
    assert run_on(Table(), again, workers=1).reason == "done"
    assert len(again.measurements) == 8


def test_unknown_callback_and_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CallbackError, match="did you mean `mlflow`"):
        executors.create("ray", Table(), callbacks=["mlflows"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(CallbackError, match=r"pip install 'plugnas\[ray,wandb\]'"):
        executors.create("ray", Table(), callbacks=[{"wandb": {"project": "p"}}])


def test_ray_is_imported_only_when_asked_for_and_its_absence_is_explained() -> None:
    code = (
        "import sys\n"
        "import plugnas.nas.executors.callbacks, plugnas.nas.study.drive\n"
        "from plugnas.nas import executors\n"
        "print('ray' in sys.modules)\n"
        "sys.modules['ray'] = None\n"
        "try: executors.create('ray', None)\n"
        "except executors.ExecutorError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.startswith("False\n")
    assert "pip install 'plugnas[ray]'" in done.stdout


def test_a_job_trains_the_same_networks_as_without_a_cluster(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    data = {
        "space": {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "psa"]}},
        "proxy": {"rungs": [{"epochs": 1, "images": 64}]},
        "sampler": "random",
        "trials": 3,
        "workers": 2,
    }
    runs = {}
    for name in ("serial", "ray"):
        job = parse({**data, "executor": name})
        result = run_job(job, tmp_path, tmp_path / name)
        runs[name] = {(m.architecture.id, m.values["accuracy"]) for m in result.measurements}
    assert runs["ray"] == runs["serial"]
    assert len(runs["ray"]) == 3


def test_a_training_of_ones_own_runs_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def train(network, context):\n"
        "    context.report(context.budget, loss=0.5)\n"
        "    return {'score': sum(p.numel() for p in network.parameters()) + context.rung}\n"
    )
    data = {
        "space": {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "eca"]}},
        "evaluate": "own.py:train", "input": [3, 8, 8], "classes": 2, "sampler": "random",
        "objectives": {"score": "max", "flops": "min"}, "trials": 3, "workers": 2,
        "proxy": {"rungs": [{"epochs": 1}, {"epochs": 2}]},
    }  # fmt: skip
    runs = {}
    for name in ("serial", "ray"):
        found = run_job(parse({**data, "executor": name}), tmp_path, tmp_path / name).measurements
        runs[name] = {(m.architecture.id, m.rung): m.values["score"] for m in found}
        curves = {len(m.curve) for m in found}
        assert curves == {1} and {rung for _, rung in runs[name]} == {0, 1}
    shared = runs["ray"].keys() & runs["serial"].keys()  # who is promoted depends on the order
    assert len(shared) >= 3
    assert {key: runs["ray"][key] for key in shared} == {k: runs["serial"][k] for k in shared}


@pytest.mark.parametrize(
    "address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "head", "h:99999"]
)
def test_an_address_where_nothing_listens_is_refused_before_ray_tries_it(address):
    with socket.socket() as free:  # bound, and nobody listens
        free.bind(("127.0.0.1", 0))
        place = address.format(port=free.getsockname()[1])
        with pytest.raises(ExecutorError, match=f"but {place} is none"):
            _require_listener(place)


def test_an_address_where_something_listens_is_left_to_ray():
    with socket.create_server(("127.0.0.1", 0)) as server:
        _require_listener(f"127.0.0.1:{server.getsockname()[1]}")
    _require_listener("auto")


def test_a_cluster_s_token_that_is_missing_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Defect: that the connection failed was said, and nothing of the token. It takes 20 s."""
    own = {**environment(), "HOME": str(tmp_path)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-cluster-" * 2}
    ray_command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head"]
    ray_command += [f"--port={port}", "--num-cpus=0", "--node-ip-address=127.0.0.1", "--block"]
    ray_command += ["--include-dashboard=false", "--disable-usage-stats"]
    code = f"""
from plugnas.nas import executors
try:
    executors.create("ray", None, address="127.0.0.1:{port}")
except executors.ExecutorError as error:
    print(error)
"""
    with subprocess.Popen(ray_command, env={**own, **token}, stdout=subprocess.PIPE) as head:
        try:
            for line in head.stdout or ():
                if b"Ray runtime started" in line:
                    break
            done = subprocess.run(
                [sys.executable, "-c", code], env=own, capture_output=True, text=True
            )
        finally:
            head.terminate()
    assert done.stdout.startswith(f"The cluster at 127.0.0.1:{port} asks for its token")
    assert done.stdout.count("\n") == 1


LISTENERS = """
import sys
from pathlib import Path
from plugnas.nas import executors
from tests.nas.runs import Table, study

def descendants(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield child
            yield from descendants(child)

def listening(pid):
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(file.readlink().name.removeprefix("socket:[").rstrip("]"))
        except OSError:
            pass
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                yield fields[1].rpartition(":")[0]

executor = executors.create("ray", Table(), workers=1)
run = study(trials=2)
executor.submit(run.ask())
while not executor.wait(1.0):
    pass
pids = ["self", *descendants("self")]
print(len(pids), *sorted({address for pid in pids for address in listening(pid)}))
executor.close()
"""


def test_what_is_started_here_listens_on_this_machine_alone() -> None:
    """Defect: without an address Ray listened on all interfaces."""
    patient = {**environment(), "RAY_raylet_start_wait_time_s": "300"}  # beside other tests
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS], env=patient, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    processes, *addresses = done.stdout.split()
    assert int(processes) > 3  # the head, the node, a worker
    localhost = {"0100007F", "0000000000000000FFFF00000100007F", "0" * 24 + "01000000"}
    assert addresses and set(addresses) <= localhost
