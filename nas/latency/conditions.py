"""The conditions of a latency: two latencies are compared only where they are the same."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import torch

from plugnas.nas.latency.errors import LatencyError
from plugnas.nas.latency.protocol import processor

DTYPES = ("float32", "float16", "bfloat16", "int8")
RUNTIMES = {  # what each takes on a CPU; torch takes its own dtypes on every device
    "torch": ("float32", "float16", "bfloat16"),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
    "executorch": ("float32", "int8"),
}
EXTRAS = {"onnxruntime": "onnx", "openvino": "onnx,openvino", "executorch": "executorch"}
REFUSED = {
    "tensorrt": "its engines are built on the NVIDIA GPU that runs them, and none was at hand to "
    "check it on; take `device: cuda` with `runtime: torch`",
}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Conditions:
    """Device and setting of a measurement; what two latencies must share to be compared."""

    device: str = "cpu"  # the kind: cpu, cuda, cuda:1
    device_name: str = ""
    batch: int = 1
    threads: int = 1
    dtype: str = "float32"
    memory_format: str = "contiguous"
    torch: str = ""
    runtime: str = "torch"
    runtime_version: str = ""  # of another than torch; that of torch stands above

    @classmethod
    def here(
        cls,
        device: str = "cpu",
        batch: int = 1,
        threads: int = 1,
        dtype: str = "float32",
        memory_format: str = "contiguous",
        runtime: str = "torch",
    ) -> Conditions:
        """The conditions on this machine.

        Args:
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            batch: images in a forward pass.
            threads: threads on a CPU.
            dtype: one of ``DTYPES``.
            memory_format: one of ``FORMATS``.
            runtime: one of ``RUNTIMES``.

        Raises:
            LatencyError: a device or runtime that is not there, or a setting that is none.
        """
        if batch < 1 or threads < 1:
            raise LatencyError(f"batch and threads start at 1, but got {batch} and {threads}")
        if dtype not in DTYPES:
            raise LatencyError(f"dtype must be one of {', '.join(DTYPES)}, but got {dtype!r}")
        if memory_format not in FORMATS:
            raise LatencyError(
                f"memory format must be one of {', '.join(FORMATS)}, but got {memory_format!r}"
            )
        name = device_name(device)
        if runtime in REFUSED:
            raise LatencyError(f"`runtime: {runtime}` is not timed: {REFUSED[runtime]}")
        if runtime not in RUNTIMES:
            raise LatencyError(f"runtime is one of {', '.join(RUNTIMES)}, but got {runtime!r}")
        own = "" if runtime == "torch" else runtime_version(runtime)
        found = cls(
            device, name, batch, threads, dtype, memory_format, torch.__version__, runtime, own
        )
        found.check_runtime()
        return found

    def check_runtime(self) -> None:
        """Raise LatencyError where the runtime does not take the other settings."""
        kind, taken = torch.device(self.device).type, RUNTIMES[self.runtime]
        placed = self.runtime == "torch" or (kind, self.memory_format) == ("cpu", "contiguous")
        if self.dtype not in taken or not placed:
            where = "" if self.runtime == "torch" else " on cpu, contiguous,"
            raise LatencyError(
                f"{self.runtime} is timed{where} in {' or '.join(taken)}, but got {kind}, "
                f"{self.dtype}, {self.memory_format}; leave those out, or take another runtime "
                f"({', '.join(RUNTIMES)})"
            )
        if self.runtime == "openvino" and self.dtype == "bfloat16":
            from plugnas.nas.latency.openvino_timers import check_bfloat16

            check_bfloat16()

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        runs = f"torch {self.torch}"
        if self.runtime != "torch":
            runs = f"{self.runtime} {self.runtime_version} (exported by {runs})"
        return (
            f"{self.device} ({self.device_name}), batch {self.batch}, {threads}, {self.dtype}, "
            f"{self.memory_format}, {runs}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


def runtime_version(runtime: str) -> str:
    """Return the version of a runtime that is a library of its own.

    Raises:
        LatencyError: it is not installed.
    """
    for name in (runtime, f"{runtime}-gpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    raise LatencyError(
        f"`runtime: {runtime}` needs a library that is not installed: "
        f"pip install 'plugnas[{EXTRAS[runtime]}]'"
    )


def device_name(device: str) -> str:
    """Return what the device is called.

    Raises:
        LatencyError: the device is not there.
    """
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise LatencyError(f"device must be cpu, cuda or cuda:N, but got {device!r}") from None
    if kind.type == "cpu":
        return processor()
    if kind.type != "cuda":
        raise LatencyError(f"latency is taken on cpu or cuda, but got {device!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (kind.index or 0) >= count:
        raise LatencyError(
            f"the device {device} is not there: torch {torch.__version__} sees {count} cuda "
            "devices; name another, or measure on the machine that has it (nas latency --table)"
        )
    return torch.cuda.get_device_name(kind)


def clocks(device: str, work: Callable[[], None] = lambda: None) -> str | None:
    """Return the clocks of a cuda device in words, ``work`` going on while they are read.

    None elsewhere, or where nvidia-smi is missing or does not know the device.
    """
    if torch.device(device).type != "cuda":
        return None
    command = [
        "nvidia-smi", f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}",
        "--query-gpu=clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu", "--format=csv,noheader",
    ]  # fmt: skip
    try:
        asked = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None
    deadline = time.monotonic() + 20  # seconds
    with asked:
        while asked.poll() is None and time.monotonic() < deadline:
            work()
        asked.kill()
        text = asked.communicate()[0]
    fields = [field.strip() for field in text.strip().split(",")]
    if asked.returncode != 0 or len(fields) != 4:
        return None
    sm, memory, maximum, celsius = fields
    return f"SM {sm} of {maximum}, memory {memory}, {celsius} C"
