"""What a job says about latency."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from plugnas.nas.machine.reading import Positive, Some


class LatencyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How latency is taken where it is an objective or a budget.

    ``table`` is a file made by ``nas latency --table`` (on this machine or another); without one,
    the pieces of the space are measured on ``device`` before the search.
    """

    device: str = "cpu"
    """Where latency is measured: `cpu` or `cuda`."""
    runtime: Literal["torch", "onnxruntime", "openvino", "executorch", "tensorrt"] = "torch"
    """What runs the networks: eager `torch`, or on the CPU what is exported: `onnxruntime`,
    `openvino` or `executorch` (XNNPACK). `tensorrt` is refused, with the reason."""
    table: str | None = None
    """A file made by `nas latency --table`, or on another machine by the script of `nas latency
    --as-script`; without one, pieces are measured before the search."""
    batch: Some = 1
    """Images in a forward pass."""
    threads: Some = 1
    """Threads on a CPU."""
    rounds: Some | None = None
    """Rounds in which everything is timed once, in random order; without a number at least 30, and
    more until 20 seconds have passed."""
    dtype: Literal["float32", "float16", "bfloat16", "int8"] = "float32"
    """Number format of what is timed, and of `ram` and `flash`; `int8` is static quantisation, in
    all but `torch`."""
    limit: Positive = 0.05
    """Relative error above which a measurement is refused; 1: the machine is taken as it is."""

    @property
    def conditions(self) -> dict[str, Any]:
        """What latencies must have in common to be of the job, by the names of ``Settings``."""
        names = ("device", "runtime", "batch", "threads", "dtype")
        return {name: getattr(self, name) for name in names}
