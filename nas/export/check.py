"""Every file of an export, loaded in a fresh process without plugnas, against the eager network."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.hosted import Hosted

TOLERANCE = 1e-4  # float32, relative to the largest output
# What a model must do without: plugnas, and what plugnas itself needs beside torch.
REFUSED = (
    "modules", "space", "nas", "plugnas", "msgspec", "yaml", "optuna", "ray", "sklearn", "scipy",
    "matplotlib", "safetensors", "onnx", "onnxscript", "onnxruntime", "torchao", "timm",
    "openvino", "executorch", "huggingface_hub", "litert_torch", "ai_edge_litert",
)  # fmt: skip
_ELSEWHERE = ("onnxruntime", "openvino", "executorch", "ai_edge_litert", "huggingface_hub")
"""Packages that may lie in another directory than torch."""


@dataclass(frozen=True)
class Own:
    """What must come out of a file that is not exact, and how nearly (of the largest output)."""

    expected: tuple[Tensor, ...]
    tolerance: float


@dataclass(frozen=True)
class Item:
    """One export to be checked: files of a directory, the batches, and what must come out.

    ``own`` says so for files that hold another model than the rest (int8). Of a plugged ``host``,
    model.py finds all but plugnas; the other files do without the host's package.
    """

    directory: Path
    files: tuple[str, ...]
    batches: tuple[Tensor, ...]
    expected: tuple[Tensor, ...]
    own: Mapping[str, Own] = field(default_factory=dict)
    host: Hosted | None = None
    whole: Whole | None = None


@dataclass(frozen=True)
class Whole:
    """Images (N, H, W, C) as bytes on which every file answers; ``norm`` is (mean, std) of each.

    Without ``norm`` the files take the bytes themselves.
    """

    images: Tensor
    norm: tuple[tuple[float, ...], tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Found:
    """What came of an item: latencies of its files, and their outputs on the whole images.

    Latencies are [first quartile, median, third quartile] in milliseconds at the first batch, one
    thread. Of maps the outputs are the classes of their pixels.
    """

    latencies: Mapping[str, list[float]]
    outputs: Mapping[str, list[Tensor]]


def check(items: Sequence[Item], seconds: float = 0.0) -> list[Found]:
    """Compare all items in one fresh process; return what it measured.

    Latencies are taken for ``seconds`` each; none are taken for 0. Where no item has a file that
    computes (weights alone), no process is started.

    Raises:
        ExportError: a file does not load without plugnas, or computes something else.
    """
    has_models = any(item.files for item in items)
    answers = _ask(items, seconds) if has_models else [{} for _ in items]
    found = []
    for item, answer in zip(items, answers, strict=True):
        latencies = {n: a["milliseconds"] for n, a in answer.items() if "milliseconds" in a}
        found.append(Found(latencies, {n: a["whole"] for n, a in answer.items() if "whole" in a}))
        for name in item.files:
            if reason := difference(item, name, answer[name]):
                raise ExportError(
                    f"{name} of {item.directory.name} failed its check in a fresh process: "
                    f"{reason}; {_remedy(item, name)}"
                )
    return found


def _remedy(item: Item, name: str) -> str:
    if item.host is not None and item.host.file is not None and name.endswith(".py"):
        return (
            f"only {item.host.file.name} travels with the export: what it imports must be installed"
        )
    return "leave its format out of --format, and please report it"


def _ask(items: Sequence[Item], seconds: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="plugnas-check-") as folder:
        request: dict[str, Any] = {
            "path": _library_paths(items),
            "refused": REFUSED,
            "seconds": seconds,
            "items": [],
        }
        for number, item in enumerate(items):
            inputs = Path(folder) / f"{number}.pt"
            torch.save(list(item.batches), inputs)
            if item.whole is not None:
                torch.save(item.whole.images, Path(folder) / f"{number}.whole.pt")
            request["items"].append(
                {"whole": item.whole and str(Path(folder) / f"{number}.whole.pt"),
                 "norm": item.whole and item.whole.norm,
                 "directory": str(item.directory.resolve()), "files": item.files,
                 "inputs": str(inputs), "hosted": item.host is not None,
                 "package": _own_package(item)}
            )  # fmt: skip
        file = Path(folder) / "request.json"
        file.write_text(json.dumps(request))
        done = _run(file)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise ExportError(f"the process that checks exports ended early: {lines[-1]}")
        answers: list[dict[str, Any]] = torch.load(file.with_suffix(".answer"), weights_only=True)
        return answers


def _run(request: Path) -> subprocess.CompletedProcess[str]:
    """Run the check in a fresh process that finds nothing but what the request names."""
    script = Path(__file__).parent / "standalone" / "check.py"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "ignore", str(script), str(request)],
        cwd=request.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _library_paths(items: Sequence[Item]) -> list[str]:
    """The directories of torch, of what comes with it, and of the hosts' packages."""
    import numpy

    found = [Path(module.__file__ or "").parent.parent for module in (torch, numpy)]
    for name in _ELSEWHERE:
        spec = importlib.util.find_spec(name)
        found += [Path(p).parent for p in (spec and spec.submodule_search_locations) or ()]
    for item in items:
        module = sys.modules.get(_own_package(item) or "")
        found += [Path(place).parent for place in getattr(module, "__path__", ())]
        if module is not None and not hasattr(module, "__path__"):  # a package of one file
            found.append(Path(module.__file__ or "").parent)
    return list(dict.fromkeys(map(str, found)))


def _own_package(item: Item) -> str | None:
    """The package of the host, where it is none that comes with torch."""
    package = None if item.host is None else item.host.package
    return None if package in (None, "torch", "torchvision") else package


def difference(item: Item, name: str, answer: dict[str, Any]) -> str | None:
    """Return how an answer departs from what was expected, or None."""
    if "error" in answer:
        return str(answer["error"])
    own = item.own.get(name, Own(item.expected, TOLERANCE))
    for expected, found in zip(own.expected, answer["outputs"], strict=True):
        batch = len(expected)
        if found.shape != expected.shape:
            return f"it returns {tuple(found.shape)} for {tuple(expected.shape)}"
        scale = float(expected.abs().max())
        gap = float((found.double() - expected.double()).abs().max())
        if not gap <= own.tolerance * scale:
            return (
                f"at batch {batch} its outputs depart by {gap / scale:.1e} of the largest one, "
                f"more than {own.tolerance:g}"
            )
        if not _same_classes(found, expected, 2 * own.tolerance * scale):
            return f"at batch {batch} it names another class than the network"
    return None


def _same_classes(found: Tensor, expected: Tensor, margin: float) -> bool:
    """Whether both name the same classes; of a map's pixels, those that are no draw."""
    same = found.argmax(1) == expected.argmax(1)
    if expected.dim() > 2:
        first, second = expected.topk(2, dim=1).values.unbind(1)
        same |= first - second <= margin
    return bool(same.all())
