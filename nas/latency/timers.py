"""One forward, timed: on the CPU by two clocks, on CUDA by events around a graph."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.latency.conditions import FORMATS, Conditions
from plugnas.nas.latency.protocol import Sample, Timer

Forward = Callable[..., Any]


def timer(module: nn.Module, shapes: Sequence[tuple[int, ...]], conditions: Conditions) -> Timer:
    """Return a function that runs the module once on its own inputs and times it.

    The module is moved to the device, dtype and memory format of the conditions; ``shapes`` are
    those of one sample of each input. To be called under ``torch.inference_mode()``.
    """
    device, dtype = torch.device(conditions.device), getattr(torch, conditions.dtype)
    layout = FORMATS[conditions.memory_format]
    module = module.eval().to(device, dtype)
    if layout != torch.contiguous_format:
        module = module.to(memory_format=layout)
    return _timer(module, _inputs(shapes, conditions), device)


def clock_timer(conditions: Conditions) -> Timer:
    """Return a timer of nothing: what the clocks themselves take, which is in every sample."""
    device = torch.device(conditions.device)
    return _timer(lambda x: x, _inputs([(1, 1, 1)], conditions), device)


def _inputs(shapes: Sequence[tuple[int, ...]], conditions: Conditions) -> list[Tensor]:
    device, dtype = torch.device(conditions.device), getattr(torch, conditions.dtype)
    layout = FORMATS[conditions.memory_format]
    made = (torch.randn(conditions.batch, *s, device=device, dtype=dtype) for s in shapes)
    return [x.contiguous(memory_format=layout) for x in made]


def _timer(forward: Forward, inputs: list[Tensor], device: torch.device) -> Timer:
    return (_cuda_timer if device.type == "cuda" else _cpu_timer)(forward, inputs)


def _write(inputs: list[Tensor]) -> None:
    """Write the inputs anew, so that caches hold them as they hold what a network just made."""
    for x in inputs:
        x.mul_(1)


def _cpu_timer(forward: Forward, inputs: list[Tensor]) -> Timer:
    def run() -> Sample:
        _write(inputs)
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        forward(*inputs)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        return Sample(wall / 1e6, cpu / 1e6)

    return run


def _cuda_timer(forward: Forward, inputs: list[Tensor]) -> Timer:
    """Events on the device; the forward is replayed as a graph where it can be captured."""
    device = inputs[0].device
    with torch.cuda.device(device):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        replay = _captured(forward, inputs)

    def run() -> Sample:
        # It refers to forward and inputs even where a graph is replayed: a graph knows addresses
        # only, and what it reads must live as long as it does.
        with torch.cuda.device(device):
            _write(inputs)
            torch.cuda.synchronize()
            cpu = time.process_time_ns()
            start.record()
            if replay is None:
                forward(*inputs)
            else:
                replay()
            end.record()
            end.synchronize()
            cpu = time.process_time_ns() - cpu
            return Sample(max(start.elapsed_time(end), _TICK), cpu / 1e6)

    return run


_TICK = 1e-4  # ms: below what events resolve, and above 0, which has no logarithm


@cache
def _side_stream(device: int) -> torch.cuda.Stream:
    """Return the stream on which forwards are warmed up and captured, one per device."""
    return torch.cuda.Stream(device)


def _captured(forward: Forward, inputs: list[Tensor]) -> Callable[[], None] | None:
    """Return the replay of the forward as a CUDA graph; None where it cannot be captured.

    Warmed up on the stream that captures it: what libraries set up lazily belongs to a stream, and
    must not happen within a capture.
    """
    side = _side_stream(torch.cuda.current_device())
    graph = torch.cuda.CUDAGraph()
    side.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(side), torch.inference_mode(), warnings.catch_warnings():
            # An identity has no kernels; its empty graph is what is meant here.
            warnings.filterwarnings("ignore", message=".*CUDA Graph is empty")
            for _ in range(3):
                forward(*inputs)
            with torch.cuda.graph(graph, stream=side):
                forward(*inputs)
    except RuntimeError:  # it looks at its values, or allocates on the host
        torch.cuda.synchronize()
        return None
    torch.cuda.current_stream().wait_stream(side)
    return graph.replay


__all__ = ["Sample", "Timer", "clock_timer", "timer"]
