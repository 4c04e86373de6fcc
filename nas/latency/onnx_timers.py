"""Forwards timed in onnxruntime: the graph that ``nas export --format onnx`` writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.onnx_graph import graphs
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import LatencyError
from plugnas.nas.latency.timers import Sample, Timer

_EXAMPLE = 3  # images by which a batch of any size is traced
_Wanted = tuple[nn.Module, Sequence[tuple[int, ...]], str]


def onnx_timers(wanted: Sequence[_Wanted], conditions: Conditions) -> list[Timer]:
    """Return a timer of each (module, shapes of one sample of each input, name).

    A sample is one ``session.run`` on inputs that lie in memory. Batch dynamic, sizes fixed, as
    ``nas export --format onnx --fixed-size`` writes them; threads as the conditions say.

    Raises:
        LatencyError: onnxruntime or the exporter is missing, or a module has no ONNX form.
    """
    if not wanted:
        return []
    examples = [[torch.randn(_EXAMPLE, *s) for s in shapes] for _, shapes, _ in wanted]
    try:
        files = graphs([module.eval().float() for module, _, _ in wanted], examples)
    except ConversionError as error:
        number, colon, reason = str(error).partition(": ")
        if not (colon and number.isdigit()):
            raise LatencyError(f"latency in onnxruntime needs an ONNX exporter: {error}") from None
        raise LatencyError(
            f"`{wanted[int(number)][2]}` cannot be timed in onnxruntime, since ONNX does not take "
            f"it ({reason}); leave its module out, or measure with `runtime: torch`"
        ) from error
    return [
        _timer(_session(file, conditions.threads), shapes, conditions.batch)
        for file, (_, shapes, _) in zip(files, wanted, strict=True)
    ]


def _session(file: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    # Many sessions are alive in turn: threads of one must not spin while another is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _timer(session: Any, shapes: Sequence[tuple[int, ...]], batch: int) -> Timer:
    inputs = {f"x{i}": torch.randn(batch, *shape).numpy() for i, shape in enumerate(shapes)}
    forward: Callable[[None, dict[str, Any]], Any] = session.run

    def run() -> Sample:
        for x in inputs.values():
            np.multiply(x, 1, out=x)  # written anew: as warm as what a network has just made
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        forward(None, inputs)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        return Sample(wall / 1e6, cpu / 1e6)

    return run
