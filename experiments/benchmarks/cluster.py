"""A run on a cluster of which a node dies and comes back: how much later it ends.

    python -P experiments/benchmarks/cluster.py [--trials 40] [--seconds 3] [--repeats 3] [--away 5]

Three Ray nodes of one CPU each and a head without any, all on this machine, evaluate a space of
sleepers: an evaluation sleeps ``--seconds``, so that the nodes do not compete for processors. Runs
left alone take turns with runs in which one node is killed once a third of the trials is measured,
and another joins ``--away`` seconds later. Each run is checked: every trial measured once, none
failed, some on the node that came. Printed are the seconds of each run, from
the first task to the last measurement, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.executors import create
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.samplers import Problem
from plugnas.nas.samplers import create as create_sampler
from plugnas.nas.study.drive import Event
from plugnas.nas.study.plan import Plan, run_plan
from plugnas.space import SearchSpace

ROOT = str(Path(__file__).parents[2])
SPACE = SearchSpace({f"layer{i}": ["id", "conv", "mb3", "mb6"] for i in range(6)})


class Sleeper:
    """An evaluator factory: sleeps, then returns a number that depends on the task alone."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> Callable[[Task], Mapping[str, Any]]:
        def evaluate(task: Task) -> Mapping[str, Any]:
            import ray

            time.sleep(self.seconds)
            node = ray.get_runtime_context().get_node_id()
            return {"values": {"accuracy": 1 / (1 + task.number)}, "extra": {"node": node}}

        return evaluate


class Nodes:
    """A cluster of a head without CPUs and nodes of one, of which any may be killed."""

    def __init__(self, count: int = 3) -> None:
        import ray
        from ray.cluster_utils import Cluster

        alert = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
        head = {"num_cpus": 0, "_system_config": alert}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.own = [self.cluster.add_node(num_cpus=1) for _ in range(count)]
        self.joined: list[subprocess.Popen[bytes]] = []
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level=logging.ERROR)

    def join(self) -> None:
        """Let another node join, as `ray start` does it; returns at once."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        command += [f"--address={self.cluster.address}", "--num-cpus=1", "--disable-usage-stats"]
        self.joined.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def await_all(self) -> None:
        """Wait until the cluster knows of all nodes and of no dead one."""
        import ray

        while sum(node["Alive"] for node in ray.nodes()) != 1 + len(self.own) + len(self.joined):
            time.sleep(0.1)

    def end(self) -> None:
        """End the cluster."""
        import ray

        for process in self.joined:
            process.terminate()
        ray.shutdown()
        self.cluster.shutdown()


def main() -> None:
    """Run both kinds in turn, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one evaluation")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--away", type=float, default=5.0, help="seconds without the node")
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = ROOT
    nodes = Nodes()
    taken: dict[bool, list[float]] = {False: [], True: []}
    try:
        for _ in range(args.repeats):
            for disturbed in (False, True):
                nodes.await_all()
                taken[disturbed].append(_run(args, nodes, disturbed=disturbed))
                kind = "one node dies and comes back" if disturbed else "left alone"
                print(f"{kind}: {taken[disturbed][-1]:.1f} s", flush=True)
    finally:
        nodes.end()
    alone, with_death = (statistics.median(taken[kind]) for kind in (False, True))
    print(f"medians {alone:.1f} and {with_death:.1f} s: {with_death / alone:.2f} times as long")


def _run(args: argparse.Namespace, nodes: Nodes, *, disturbed: bool) -> float:
    """Return the seconds of one run; ``disturbed``, a node is killed and another joins."""
    killed: list[float] = []

    def listen(event: Event) -> None:
        if not disturbed:
            return
        if not killed and len(event.study.measurements) * 3 >= args.trials:
            nodes.cluster.remove_node(nodes.own.pop(), allow_graceful=False)
            killed.append(event.seconds)
        elif len(killed) == 1 and event.seconds >= killed[0] + args.away:
            nodes.join()
            killed.append(event.seconds)

    problem = Problem(space=SPACE, objectives={"accuracy": "max"}, budget={}, cost=None, seed=0)
    plan = Plan(problem, args.trials)
    found, outcome = run_plan(
        plan,
        create_sampler("random", problem),
        lambda: create("ray", Sleeper(args.seconds), max_failures=0),
        on_event=[listen],
    )
    assert outcome.reason == "done" and len(found) == args.trials
    assert all(m.ok for m in found) and len({m.key for m in found}) == args.trials
    assert len({m.extra["node"] for m in found}) == (4 if disturbed else 3)
    return outcome.seconds


if __name__ == "__main__":
    main()
