"""int8 graphs tried in a process of their own: openvino ends the process on some of them."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

Inputs = dict[str, Any]
Run = Callable[[bytes, Inputs], Any]


def run_once(file: bytes, inputs: Inputs) -> None:
    """Compile a graph and run it once."""
    from plugnas.nas.latency.openvino_timers import openvino_forward

    openvino_forward(file, inputs, dtype="int8")(inputs)


def first_fatal(
    files: Sequence[bytes], inputs: Sequence[Inputs], run: Run = run_once
) -> int | None:
    """Return the number of the first graph at which the process ends; None where it ends at none.

    Errors that openvino raises are no such end: they come again where the graph is timed.

    Args:
        files: the graphs.
        inputs: of each.
        run: what runs a graph once; importable by name.
    """
    if not files:
        return None
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, list(files), list(inputs), run))
    process.start()
    there.close()
    done = 0
    with contextlib.suppress(EOFError):
        while done < len(files):
            here.recv()
            done += 1
    process.join()
    here.close()
    return done if done < len(files) else None


def _serve(
    connection: Connection, files: Sequence[bytes], inputs: Sequence[Inputs], run: Run
) -> None:
    for file, given in zip(files, inputs, strict=True):
        with contextlib.suppress(Exception):  # openvino raises its own kinds
            run(file, given)
        connection.send(None)


__all__ = ["first_fatal", "run_once"]
