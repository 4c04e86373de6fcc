"""Forwards timed in executorch, on the programs that ``nas export --format executorch`` writes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from plugnas.nas.graph import executorch_program
from plugnas.nas.graph.onnx_graph import feed
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.graph_timers import Wanted, refused
from plugnas.nas.latency.protocol import Timer, forward_timer


def executorch_timers(wanted: Sequence[Wanted], conditions: Conditions) -> list[Timer]:
    """Return a timer of each (module, shapes of one sample of each input, name).

    A program is made for the batch of the conditions; a sample is one run on inputs that lie in
    memory. In int8 it is quantised by ranges of random numbers, on which no latency depends.

    Raises:
        LatencyError: executorch does not take a module.
    """
    executorch_program.use_threads(conditions.threads)
    return [_timer(one, conditions) for one in wanted]


def _timer(wanted: Wanted, conditions: Conditions) -> Timer:
    module, shapes, name = wanted
    inputs = [torch.randn(conditions.batch, *shape) for shape in shapes]
    try:
        calibration = [inputs] if conditions.dtype == "int8" else []
        file = executorch_program.program(module.eval().float(), inputs, calibration)
        run = executorch_program.loaded(file)
        run(inputs)
    except Exception as error:  # executorch raises its own kinds
        raise refused(name, conditions.runtime, error) from error
    return forward_timer(lambda _: run(inputs), feed(inputs))
