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
import sys
import threading
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


def main() -> None:
    """Run both kinds in turn, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one evaluation")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--away", type=float, default=5.0, help="seconds without the node")
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = ROOT
    import ray
    from ray.cluster_utils import Cluster

    alert = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": alert})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    taken: dict[bool, list[float]] = {False: [], True: []}
    try:
        for _ in range(args.repeats):
            for disturbed in (False, True):
                nodes = _all_there(cluster, nodes)
                taken[disturbed].append(_run(args, cluster, nodes, disturbed=disturbed))
                kind = "one node dies and comes back" if disturbed else "left alone"
                print(f"{kind}: {taken[disturbed][-1]:.1f} s", flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()
    alone, with_death = (statistics.median(taken[kind]) for kind in (False, True))
    print(f"medians {alone:.1f} and {with_death:.1f} s: {with_death / alone:.2f} times as long")


def _run(args: argparse.Namespace, cluster: Any, nodes: list[Any], *, disturbed: bool) -> float:
    """Return the seconds of one run; ``disturbed``, a node is killed and replaced in it."""
    helper: list[threading.Thread] = []

    def disturb() -> None:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        time.sleep(args.away)
        nodes.append(cluster.add_node(num_cpus=1))

    def listen(event: Event) -> None:
        if disturbed and not helper and len(event.study.measurements) * 3 >= args.trials:
            helper.append(threading.Thread(target=disturb))
            helper[0].start()

    problem = Problem(space=SPACE, objectives={"accuracy": "max"}, budget={}, cost=None, seed=0)
    plan = Plan(problem, args.trials)
    found, outcome = run_plan(
        plan,
        create_sampler("random", problem),
        lambda: create("ray", Sleeper(args.seconds), max_failures=0),
        on_event=[listen],
    )
    for thread in helper:
        thread.join()
    assert outcome.reason == "done" and len(found) == args.trials
    assert all(m.ok for m in found) and len({m.key for m in found}) == args.trials
    assert len({m.extra["node"] for m in found}) == (4 if disturbed else 3)
    return outcome.seconds


def _all_there(cluster: Any, nodes: list[Any]) -> list[Any]:
    """Return the nodes once the cluster knows of all of them and of no dead one."""
    import ray

    while len([n for n in ray.nodes() if n["Alive"]]) != len(nodes) + 1:
        time.sleep(0.1)
    return nodes


if __name__ == "__main__":
    main()
