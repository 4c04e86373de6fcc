"""The CUDA timer with stand-ins for torch.cuda's objects: what is called, in which order."""

import contextlib
import gc
import types
import warnings
import weakref

import pytest
import torch
from torch import nn

from plugnas.nas.latency import conditions, timers


class Recorder:
    """Stand-ins that write down what happens to them."""

    def __init__(self):
        self.log = []
        self.elapsed = 1.5
        self.capturing = False

    def event(self, enable_timing):
        assert enable_timing
        name = "end" if self.log[-1:] == ["start made"] else "start"
        self.log.append(f"{name} made")
        return types.SimpleNamespace(
            record=lambda: self.log.append(f"record {name}"),
            synchronize=lambda: self.log.append(f"wait for {name}"),
            elapsed_time=lambda other: self.elapsed,
        )

    def stream(self, name):
        def wait_stream(other):
            self.log.append(f"{name} waits for {other.name}")

        return types.SimpleNamespace(name=name, wait_stream=wait_stream)

    @contextlib.contextmanager
    def on_stream(self, stream):
        self.log.append(f"to {stream.name}")
        yield
        self.log.append(f"from {stream.name}")

    @contextlib.contextmanager
    def graph(self, graph, stream):
        assert torch.is_inference_mode_enabled()
        self.log.append(f"capture on {stream.name}")
        self.capturing = True
        try:
            yield
        finally:
            self.capturing = False
        warnings.warn("The CUDA Graph is empty. This usually means ...", stacklevel=2)
        self.log.append("captured")


@pytest.fixture
def cuda(monkeypatch):
    recorder = Recorder()
    current = recorder.stream("current")
    fakes = {
        "Event": recorder.event,
        "CUDAGraph": lambda: types.SimpleNamespace(replay=lambda: recorder.log.append("replay")),
        "graph": recorder.graph,
        "stream": recorder.on_stream,
        "current_stream": lambda: current,
        "current_device": lambda: 0,
        "device": lambda device: contextlib.nullcontext(),
        "synchronize": lambda: recorder.log.append("synchronise"),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(timers, "_side_stream", lambda device: recorder.stream("side"))
    return recorder


def _forward(cuda, capturable=True):
    def forward(x):
        if cuda.capturing and not capturable:
            raise RuntimeError("operation not permitted when stream is capturing")
        cuda.log.append("forward")
        return x

    return forward


def test_a_forward_is_warmed_up_and_captured_on_one_side_stream_then_replayed(cuda):
    run = timers._cuda_timer(_forward(cuda), [torch.ones(2)])
    assert cuda.log == [
        "start made", "end made", "side waits for current", "to side", "forward", "forward",
        "forward", "capture on side", "forward", "captured", "from side",
        "current waits for side",
    ]  # fmt: skip
    cuda.log.clear()
    assert run().wall == 1.5
    assert cuda.log == ["synchronise", "record start", "replay", "record end", "wait for end"]


def test_what_cannot_be_captured_runs_eagerly_between_the_events(cuda):
    run = timers._cuda_timer(_forward(cuda, capturable=False), [torch.ones(2)])
    cuda.log.clear()
    assert run().wall == 1.5
    assert cuda.log == ["synchronise", "record start", "forward", "record end", "wait for end"]


def test_what_a_graph_reads_lives_as_long_as_its_timer(cuda):
    module, x = nn.Linear(2, 2), torch.ones(1, 2)
    alive = weakref.ref(module), weakref.ref(x)
    run = timers._cuda_timer(module, [x])
    del module, x
    gc.collect()
    assert all(reference() is not None for reference in alive)
    del run
    gc.collect()
    assert all(reference() is None for reference in alive)


def test_events_that_tell_no_time_apart_leave_a_logarithm(cuda):
    cuda.elapsed = 0.0
    assert timers._cuda_timer(_forward(cuda), [torch.ones(2)])().wall > 0


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 1980 MHz, 2619 MHz, 1980 MHz, 34", "SM 1980 MHz of 1980 MHz, memory 2619 MHz, 34 C"),
        ("echo No devices were found; exit 6", None),
        ("echo one field", None),
        (None, None),
    ],
)
def test_clocks_are_read_while_the_device_works(script, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if script else str(tmp_path))
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nsleep 0.1\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    properties = types.SimpleNamespace(uuid="0000")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    worked = []
    assert conditions.clocks("cuda:0", lambda: worked.append(1)) == expected
    assert bool(worked) == (script is not None)
    assert conditions.clocks("cpu") is None
