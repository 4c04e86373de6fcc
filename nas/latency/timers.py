"""One forward, timed: on the CPU by two clocks, on CUDA by events around a graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from nas.latency.conditions import FORMATS, Conditions


class Sample(NamedTuple):
    """Milliseconds of one forward: by the wall (on CUDA by the device), and of this process."""

    wall: float
    cpu: float


Timer = Callable[[], Sample]


def timer(module: nn.Module, shape: tuple[int, ...], conditions: Conditions) -> Timer:
    """Return a function that runs the module once on its own input and times it.

    The module is moved to the device, dtype and memory format of the conditions; ``shape`` is that
    of one sample. To be called under ``torch.inference_mode()``.
    """
    kind = torch.device(conditions.device)
    dtype = getattr(torch, conditions.dtype)
    module = module.eval().to(kind, dtype)
    x = torch.randn(conditions.batch, *shape, device=kind, dtype=dtype)
    if conditions.memory_format != "contiguous":
        module = module.to(memory_format=FORMATS[conditions.memory_format])
        x = x.contiguous(memory_format=FORMATS[conditions.memory_format])
    if kind.type == "cuda":
        return _cuda_timer(module, x)

    def run() -> Sample:
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        module(x)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        return Sample(wall / 1e6, cpu / 1e6)

    return run


def _cuda_timer(module: nn.Module, x: torch.Tensor) -> Timer:
    """Events on the device; the forward is replayed as a graph where it can be captured."""
    with torch.cuda.device(x.device):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        forward = _captured(module, x) or (lambda: module(x))

    def run() -> Sample:
        with torch.cuda.device(x.device):
            torch.cuda.synchronize()
            cpu = time.process_time_ns()
            start.record()
            forward()
            end.record()
            end.synchronize()
            return Sample(start.elapsed_time(end), (time.process_time_ns() - cpu) / 1e6)

    return run


def _captured(module: nn.Module, x: torch.Tensor) -> Callable[[], None] | None:
    """The forward as a CUDA graph; None where it cannot be captured."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.inference_mode():
        for _ in range(3):
            module(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.inference_mode(), torch.cuda.graph(graph):
            module(x)
    except RuntimeError:  # it looks at its values, or allocates on the host
        torch.cuda.synchronize()
        return None
    return graph.replay
