"""The cluster: joining it or starting one here, its nodes, their room, and whether its head lives.

The only file with Ray itself in it.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.environment import environment, worker_variables

try:
    import ray
    import ray.tune  # where Ray's callbacks are
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise ExecutorError(
        f"The ray executor needs Ray Tune, which is not installed ({error}): "
        "pip install 'plugnas[ray]', or use the local executor."
    ) from error

LOOK = 1.0
"""Seconds between two looks at the nodes of a cluster."""

HEADLESS = 10.0
"""Seconds without an answer of its head after which a cluster is lost."""

LOCALHOST = "127.0.0.1"


@dataclass(frozen=True)
class Node:
    """A living node: how many evaluations it has room for in all, and how many more just now."""

    name: str
    address: str
    room: int
    free: int


class Cluster:
    """A connection to Ray, which is ended with ``leave`` if it was made here."""

    def __init__(
        self, address: str | None, *, workers: int | None, needs: Mapping[str, float]
    ) -> None:
        self._needs = {name: need for name, need in needs.items() if need > 0}
        self._owned = _connect(address, workers, needs.get("CPU", 1.0))
        self._head = _place_of(address) or _place_of(ray.get_runtime_context().gcs_address)
        self._heard = self._looked = time.monotonic()
        self._nodes = self._look()

    @property
    def nodes(self) -> list[Node]:
        """The living nodes with room for an evaluation, as of a second ago at most.

        Raises:
            ExecutorError: the cluster's head does not answer any more.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            if self._head_answers():
                self._nodes, self._heard = self._look(), now
            elif now - self._heard > HEADLESS:
                raise ExecutorError(
                    f"A cluster needs its head, but that at {':'.join(map(str, self._head or ()))} "
                    f"has not answered for {HEADLESS:g} s. All that was recorded is safe: start "
                    "the cluster again, then give the same command to go on."
                )
        return self._nodes

    def told(self) -> str:
        """Return what the nodes have, for who asked for more."""
        have = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return ", ".join(f"{has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g}" for has in have)

    def actor(self, kind: type, node: str) -> Any:
        """Start an actor on a node and return its handle; it takes what an evaluation needs."""
        return ray.remote(kind).options(**self._on(node)).remote()

    def run(self, function: Any, node: str, *given: Any) -> Any:
        """Run a function on a node, beside whatever runs there, and return the promise of it."""
        placed = {**self._on(node), "num_cpus": 0, "num_gpus": 0, "max_retries": 0}
        return ray.remote(function).options(**placed).remote(*given)

    def leave(self) -> None:
        """End Ray, or the connection to it, where it was made here; a second call does nothing."""
        if self._owned:
            ray.shutdown()
            self._owned = False

    def _on(self, node: str) -> dict[str, Any]:
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        cpus, gpus = self._needs.get("CPU", 0), self._needs.get("GPU", 0)
        return {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": here}

    def _head_answers(self) -> bool:
        if self._head is None:
            return True
        try:
            socket.create_connection(self._head, timeout=LOOK).close()
        except OSError:
            return False
        return True

    def _look(self) -> list[Node]:
        free = _free()
        found = []
        for node in ray.nodes():
            name, has = node["NodeID"], node["Resources"]
            room = self._room(has) if node["Alive"] else 0
            if room:
                found.append(
                    Node(name, node["NodeManagerAddress"], room, self._room(free.get(name, has)))
                )
        return found

    def _room(self, has: Mapping[str, float]) -> int:
        """Return how many evaluations fit into resources; a share of a GPU is of one GPU."""
        rooms = []
        for name, need in self._needs.items():
            have = has.get(name, 0.0)
            if name == "GPU" and need < 1:
                rooms.append(int(have) * int(1 / need + 1e-9) + int(have % 1 / need + 1e-9))
            else:
                rooms.append(int(have / need + 1e-9))
        return min(rooms, default=1)


def _free() -> dict[str, dict[str, float]]:
    """Return node -> resources that nobody uses; empty where Ray does not tell (Ray Client)."""
    from ray._private.state import available_resources_per_node

    try:
        return dict(available_resources_per_node())
    except Exception:  # noqa: BLE001 - it is but a hint where to begin
        return {}


def _connect(address: str | None, workers: int | None, cpus: float) -> bool:
    """Connect to Ray, or start it; return whether this process has to end it."""
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"address": address}
    if address is not None:
        _require_listener(address)
    else:
        options = {
            "address": "local",
            "include_dashboard": False,
            "_node_ip_address": LOCALHOST,  # or it would listen on all interfaces
        }
        if workers is not None:
            options["num_cpus"] = max(1, round(workers * cpus + 0.499))
    try:
        with _on_this_machine_alone() if address is None else contextlib.nullcontext():
            ray.init(
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": worker_variables()},
                **options,
            )
    except Exception as error:
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise _no_cluster(address, error) from error
    return True


@contextlib.contextmanager
def _on_this_machine_alone() -> Iterator[None]:
    """Let what Ray starts listen on 127.0.0.1, as it does where it allows no cluster.

    Else it takes this machine's outer address for 127.0.0.1, and listens on all interfaces.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with environment({ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}):
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _require_listener(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try it for minutes."""
    place = None if address in ("auto", "local") else address
    if place is None:
        return
    try:
        socket.create_connection(_place_of(address) or ("", 0), timeout=10.0).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _place_of(address: str | None) -> tuple[str, int] | None:
    """Return the host and port of an address; None where it has none."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None


def _no_cluster(address: str | None, error: Exception) -> ExecutorError:
    text = " ".join(str(error).split())[:300].rstrip(".")
    if _lacks_token(error):
        return ExecutorError(
            f"The cluster at {address} asks for its token, and this process has none or another: "
            "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what `ray get-auth-token` prints there."
        )
    if address is None:
        return ExecutorError(
            f"Ray could not be started on this machine: {text}. Try again, or take `local`."
        )
    return ExecutorError(
        f"The ray executor joins a running cluster, but {address} is none: {text}. "
        f"Start one with `ray start --head`, or leave the address out."
    )


def _lacks_token(error: BaseException | None) -> bool:
    """Whether Ray was refused for its token; its errors tell it in what they come from."""
    while error is not None:
        if "InvalidAuthToken" in str(error) or "no authentication token" in str(error):
            return True
        error = error.__cause__
    return False


__all__ = ["Cluster", "Node", "ray"]
