"""Which runtime takes which module of the zoo: each is exported alone, run there, and compared."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Entry
from plugnas.nas.graph import executorch_program
from plugnas.nas.graph.int8_onnx import quantised
from plugnas.nas.graph.onnx_graph import feed, graphs
from plugnas.nas.latency.openvino_timers import openvino_forward
from plugnas.nas.latency.protocol import onnx_session

RUNTIMES = {
    "torch.export": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "executorch": "executorch",
    "int8": "onnxruntime",
}
"""What is tried, and the library that it needs."""
_MADE_FROM = {"onnxruntime": "onnx", "openvino": "onnx", "int8": "onnx"}
"""The format from which each is made, if not pt2: a module may say itself why it has none."""
YES = "yes"
TOLERANCE = 1e-4  # of the largest output
INT8_TOLERANCE = 0.1  # in the mean: what rounding may cost one module
_LENGTH = 90  # characters of a reason

Answer = Callable[[Sequence[Tensor]], Any]


class _Alone(nn.Module):
    """A module with what its slot says beside the inputs, such as the size of a map of tokens."""

    def __init__(self, module: nn.Module, keywords: dict[str, Any]) -> None:
        super().__init__()
        self.module, self.keywords = module, keywords

    def forward(self, *inputs: Tensor) -> Tensor:
        y: Tensor = self.module(*inputs, **self.keywords)
        return y


def runtimes_here() -> list[str]:
    """Return the runtimes whose libraries are installed."""
    return [name for name, needed in RUNTIMES.items() if importlib.util.find_spec(needed)]


def libraries_here() -> dict[str, str]:
    """Return the versions of the libraries that a matrix is made with."""
    names = ("torch", "onnx", *RUNTIMES.values())
    return {n: metadata.version(n) for n in dict.fromkeys(names) if importlib.util.find_spec(n)}


def warm_up() -> None:
    """Import what is slow to import."""
    if "executorch" in runtimes_here():
        executorch_program.need_library()


def try_module(entry: Entry, runtimes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Export a module in its default setting and deploy form, run it, and compare with eager torch.

    The site is the first at which the module's slot must work. Yields each runtime, as soon as it
    was tried, with ``yes`` or in a few words why not.
    """
    slot = entry.contract
    site = slot.sites[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = _alive(entry.build(site))
        alone = _Alone(modules.fuse(module), slot.keywords(site)).eval()
        examples = [slot.inputs(site, batch) for batch in (3, 2)]
    with torch.no_grad():
        expected = alone(*examples[1])
    exported = _Exported(alone, examples[0])
    for name in runtimes:
        try:
            answer = _ANSWERS[name](exported)
            with torch.no_grad():
                result = torch.as_tensor(answer(examples[1]))
            yield name, _verdict(result, expected, int8=name == "int8")
        except Exception as error:  # noqa: BLE001 - every runtime raises its own kinds
            yield name, entry.export.get(_MADE_FROM.get(name, "pt2")) or _reason(error)


def _alive(module: nn.Module) -> nn.Module:
    """Give every weight a value and every norm statistics, as training would."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(0.5 + torch.rand_like(buffer))
    return module.eval()


def _verdict(found: Tensor, expected: Tensor, *, int8: bool) -> str:
    if found.shape != expected.shape:
        return f"returns {tuple(found.shape)} for {tuple(expected.shape)}"
    gap, scale = (found - expected).abs(), float(expected.abs().max()) or 1.0
    error = float((gap.mean() if int8 else gap.max()) / scale)
    return YES if error <= (INT8_TOLERANCE if int8 else TOLERANCE) else f"departs by {error:.0e}"


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = bool(lines) and lines[0].startswith("Exception from")  # openvino's own place, not why
    text = " ".join((lines[-where] if lines else type(error).__name__).strip("- ").split())
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."


class _Exported:
    """A module with the inputs by which it is exported; the graph that three runtimes read."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        self.module, self.inputs = module, inputs

    @functools.cached_property
    def onnx(self) -> bytes:
        """The ONNX file."""
        return graphs([self.module], [self.inputs])[0]


def _torch_export(given: _Exported) -> Answer:
    batch = torch.export.Dim("batch")
    shapes = (tuple({0: batch} for _ in given.inputs),)
    with torch.no_grad():
        program = torch.export.export(given.module, tuple(given.inputs), dynamic_shapes=shapes)
    run = program.module()
    return lambda inputs: run(*inputs)


def _onnxruntime(given: _Exported) -> Answer:
    return _in_onnxruntime(given.onnx)


def _in_onnxruntime(file: bytes) -> Answer:
    session = onnx_session(file, 1)
    return lambda inputs: session.run(None, feed(inputs))[0]


def _openvino(given: _Exported) -> Answer:
    file = given.onnx
    return lambda inputs: openvino_forward(file, feed(inputs))(feed(inputs))[0]


def _executorch(given: _Exported) -> Answer:
    file = executorch_program.program(given.module, [x[:1] for x in given.inputs])
    return executorch_program.image_by_image(file)


def _int8(given: _Exported) -> Answer:
    return _in_onnxruntime(quantised(given.onnx, [feed(given.inputs)]))


_ANSWERS: dict[str, Callable[[_Exported], Answer]] = {
    "torch.export": _torch_export,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "executorch": _executorch,
    "int8": _int8,
}

__all__ = ["RUNTIMES", "YES", "libraries_here", "runtimes_here", "try_module", "warm_up"]
