"""Loads exported models where plugnas does not exist, and notes what they compute.

Run as ``python -I -S check.py REQUEST``: no site-packages but those the request names, and of them
only what a model may need. REQUEST is JSON; the answer is saved by torch beside it.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

BATCH = 64  # of the whole images


class Without(importlib.abc.MetaPathFinder):
    """Finds what is on sys.path, except the named packages, which are not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = set(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return what the ordinary search finds, or None."""
        if fullname.partition(".")[0] in self.names:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, path, target)

    def find_distributions(self, *given: Any, **named: Any) -> Any:
        """Return what is installed: some libraries ask for the versions of others."""
        return importlib.machinery.PathFinder.find_distributions(*given, **named)


def main(request_file: Path) -> None:
    """Load what the request names, run it on its images, save the answers."""
    request = json.loads(request_file.read_text())
    sys.path += request["path"]
    ordinary = sys.meta_path.index(importlib.machinery.PathFinder)
    without = sys.meta_path[ordinary] = Without(request["refused"])
    import torch

    torch.set_num_threads(1)
    answers = []
    for item in request["items"]:
        batches = torch.load(item["inputs"], weights_only=True)
        found = {}
        for name in item["files"]:
            without.names = refused(request, item, name)
            whole = item["whole"] and torch.load(item["whole"], weights_only=True)
            images = whole if whole is None else prepared(whole, item["norm"])
            try:
                found[name] = run(
                    Path(item["directory"]), name, batches, request["seconds"], images
                )
            except Exception as error:  # noqa: BLE001 - reported to the process that asked
                found[name] = {"error": f"{type(error).__name__}: {error}"}
        answers.append(found)
    torch.save(answers, request_file.with_suffix(".answer"))


def refused(request: dict[str, Any], item: dict[str, Any], name: str) -> set[str]:
    """Return the packages that one file must do without."""
    if item["hosted"] and name.endswith(".py"):
        return {"plugnas"}  # the host's own code may need any package
    if name == "hub_model.py":
        return {"plugnas"}  # huggingface_hub needs packages of its own
    allowed = NEEDED.get(Path(name).suffix, set())
    return {*request["refused"], *([item["package"]] if item["package"] else [])} - allowed


def prepared(images: Any, norm: Any) -> Iterator[Any]:
    """Yield images (N, H, W, C) batch by batch as the files take them."""
    import torch

    for batch in images.split(BATCH):
        if norm is None:
            yield batch
        else:
            mean, std = (torch.tensor(values) for values in norm)
            yield ((batch / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def run(
    directory: Path, name: str, batches: Sequence[Any], seconds: float, whole: Any = None
) -> dict[str, Any]:
    """Return the outputs of one file for every batch, and how long the first batch takes.

    Args:
        directory: the export.
        name: the file in it.
        batches: arrays of images.
        seconds: how long calls are timed.
        whole: batches on which outputs are returned, or of maps the classes alone.
    """
    import torch

    load = load_hub if name == "hub_model.py" else LOADERS[Path(name).suffix]
    model = load(directory, name)
    with torch.inference_mode():
        outputs = [model(batch) for batch in batches]
        found: dict[str, Any] = {"outputs": outputs}
        if seconds:
            found["milliseconds"] = timed(lambda: model(batches[0]), seconds)
        if whole is not None:
            answers = (model(batch) for batch in whole)
            found["whole"] = [y.argmax(1).short() if y.dim() > 2 else y.clone() for y in answers]
    return found


def timed(call: Callable[[], Any], seconds: float) -> list[float]:
    """Return the first quartile, median and third quartile of a call's milliseconds."""
    for _ in range(5):
        call()
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 20:
        start = time.perf_counter()
        call()
        samples.append(1e3 * (time.perf_counter() - start))
    return statistics.quantiles(samples, n=4)


def load_program(directory: Path, name: str) -> Any:
    """Load a .pt2 file."""
    import torch

    if "int8" in name:
        import torch.ao.quantization.fx._decomposed  # registers the operators
    return torch.export.load(directory / name).module()


def load_source(directory: Path, name: str) -> Any:
    """Load the weights through the generated source."""
    return imported(directory, name).load(directory)


def load_hub(directory: Path, name: str) -> Any:
    """Load the folder as huggingface_hub does."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints where weights come from
        return imported(directory, name).Model.from_pretrained(directory)


def imported(directory: Path, name: str) -> Any:
    """Import a file of an export."""
    spec = importlib.util.spec_from_file_location("exported_model", directory / name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["exported_model"] = module
    spec.loader.exec_module(module)
    return module


def load_onnx(directory: Path, name: str) -> Any:
    """Load an ONNX file in onnxruntime, one thread."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(directory / name, options)
    entry = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {entry: x.numpy()})[0])


def load_openvino(directory: Path, name: str) -> Any:
    """Load openvino's IR, one thread, all in float32."""
    import openvino
    import torch

    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(directory / name), "CPU", options)
    return lambda x: torch.from_numpy(model([x.numpy()])[0].copy())


def load_executorch(directory: Path, name: str) -> Any:
    """Load a program of executorch, which takes one image at a time."""
    import torch
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(directory / name)
    method = program.load_method("forward")

    def answer(x: Any, _alive: Any = program) -> Any:  # a method does not keep its program
        # a copy: of one channel, a view of another order of axes is refused
        rows = (one.clone(memory_format=torch.contiguous_format) for one in x.split(1))
        return torch.cat([method.execute([row])[0].clone() for row in rows])

    return answer


def load_litert(directory: Path, name: str) -> Any:
    """Load a model of LiteRT, which takes one image at a time, one thread."""
    import torch
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(directory / name), num_threads=1)
    model.allocate_tensors()
    entry, exit_ = (d[0]["index"] for d in (model.get_input_details(), model.get_output_details()))

    def one(x: Any) -> Any:
        model.set_tensor(entry, x.numpy())
        model.invoke()
        return torch.from_numpy(model.get_tensor(exit_))

    return lambda x: torch.cat([one(row) for row in x.split(1)])


LOADERS: dict[str, Callable[[Path, str], Any]] = {
    ".pt2": load_program,
    ".py": load_source,
    ".onnx": load_onnx,
    ".xml": load_openvino,
    ".pte": load_executorch,
    ".tflite": load_litert,
}
NEEDED = {
    ".onnx": {"onnxruntime"},
    ".xml": {"openvino"},
    ".pte": {"executorch"},
    ".tflite": {"ai_edge_litert"},
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
