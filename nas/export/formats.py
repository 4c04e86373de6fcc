"""What an export may consist of: the formats, the options, and which of them a network takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from plugnas import modules
from plugnas.nas.export import (
    elsewhere,
    executorch_format,
    hub,
    int8_files,
    litert_format,
    onnx_format,
    openvino_format,
)
from plugnas.nas.export.errors import ExportError
from plugnas.nas.graph.onnx_graph import OPSET

FORMATS = ("pt2", "onnx", "safetensors", "source")
ON_REQUEST = {"openvino": "onnx", "executorch": "pt2", "litert": "pt2", "hub": "source"}
"""Formats that need a library of their own, and by which of the others each is made."""
REFUSED = {
    "tensorrt": "its engine is built on the NVIDIA GPU that runs it; write `--format onnx` here, "
    "and there run `trtexec --onnx=model.onnx`",
}


@dataclass(frozen=True)
class Options:
    """What is written, and how. ``formats`` of None are all of ``FORMATS`` that can be written.

    ``elsewhere`` names libraries that get a file of their own: ``timm``, ``hub``, ``mmdet``.
    ``timed`` is the runtime in which the search timed its graphs, None for none, and
    ``timed_dtype`` in which format of numbers: sizes are then fixed, so that what is exported is
    what was timed.
    """

    formats: tuple[str, ...] | None = None
    deploy: bool = True
    preprocessing: bool = False
    fixed_size: bool = False
    quantize: str | None = None
    opset: int = OPSET
    measure: bool = True
    elsewhere: tuple[str, ...] = ()
    timed: str | None = None
    timed_dtype: str = "float32"

    @property
    def timed_file(self) -> str | None:
        """The file that holds the graph which the search timed; None where none does."""
        if self.timed is None or not self.deploy or self.preprocessing:
            return None
        int8 = self.timed_dtype == "int8"
        if self.timed == "executorch":
            return executorch_format.INT8 if int8 else executorch_format.FILE
        if self.opset != OPSET:
            return None
        return int8_files.ONNX if int8 else onnx_format.FILE


def formats_of(
    identity: str, keys: Collection[str], options: Options
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the formats to write, and the reasons for those that a module does not allow.

    Raises:
        ExportError: the options ask for what is not there or what a module does not allow.
    """
    if options.quantize not in (None, "int8"):
        raise ExportError(f"--quantize takes int8, not `{options.quantize}`")
    elsewhere.check_kinds(options.elsewhere, options.formats)
    onnx_format.check_opset(options.opset)
    if options.quantize and not options.deploy:
        raise ExportError("int8 is made of the deploy form; leave out --keep-training-form")
    reasons: dict[str, str] = {}
    for key in sorted(keys):
        for name, reason in modules.get(key).export.items():
            reasons.setdefault(name, f"`{key}`: {reason}")
    for name in options.formats or ():
        _check(name, identity, reasons)
    if options.formats is not None and "hub" in options.formats:
        hub.check_options(preprocessing=options.preprocessing)
    for name, require in _REQUIRED.items():
        if name in (options.formats or ()):
            require()
    wanted = options.formats or tuple(name for name in FORMATS if name not in reasons)
    if "hub" in wanted and "source" not in wanted:
        wanted = (*wanted, "source")  # its class builds what model.py builds
    if "source" in wanted and "safetensors" not in wanted:
        wanted = (*wanted, "safetensors")  # model.py reads its weights from there
    if options.quantize:
        if not {*wanted} & {*int8_files.FORMATS} and "pt2" not in reasons:
            wanted = (*wanted, "pt2")  # the float model's latency stands beside int8's
        int8_files.require(wanted)
    return wanted, {} if options.formats else reasons


def _check(name: str, identity: str, reasons: dict[str, str]) -> None:
    if name in REFUSED:
        raise ExportError(f"--format {name} is not written: {REFUSED[name]}")
    known = (*FORMATS, *ON_REQUEST)
    if name not in known:
        raise ExportError(
            f"--format is one or more of {', '.join(known)}, not `{name}`"
            f"{modules.did_you_mean(name, known)}"
        )
    for kind in (name, ON_REQUEST.get(name, name)):
        if kind in reasons:
            raise ExportError(f"{identity} cannot be written as {name}: {reasons[kind]}")


_REQUIRED = {
    "openvino": openvino_format.require,
    "executorch": executorch_format.require,
    "litert": litert_format.require,
}

__all__ = ["FORMATS", "ON_REQUEST", "REFUSED", "Options", "formats_of"]
