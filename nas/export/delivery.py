"""From a subject to a directory of files, each of them checked before the directory appears."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from plugnas.nas.export import (
    check,
    directory,
    elsewhere,
    executorch_format,
    hashes,
    hub,
    int8_files,
    litert_format,
    model_py,
    onnx_format,
    openvino_format,
    pt2,
    quantize,
    readme,
    tensors,
    train_py,
)
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.formats import FORMATS, Options, formats_of
from plugnas.nas.export.subject import Subject
from plugnas.nas.machine.versions import versions

_SECONDS = 0.3  # for the latency of each file
_BATCH = 64  # validation images at a time
_GRAPHS = {
    "pt2": [pt2.FILE],
    "onnx": [onnx_format.FILE],
    "openvino": [openvino_format.FILE, openvino_format.WEIGHTS],
    "executorch": [executorch_format.FILE],
    "litert": [litert_format.FILE],
}
_BY_IMAGE = {"executorch": executorch_format.write, "litert": litert_format.write}
"""Formats that take the network itself, and one image at a time."""
MODELS = (
    pt2.FILE, onnx_format.FILE, openvino_format.FILE, executorch_format.FILE, litert_format.FILE,
    model_py.FILE, hub.FILE, *int8_files.FILES,
)  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """An export that was written and checked.

    ``skipped`` tells of each format left out and why; ``latencies`` are milliseconds of one image
    (first quartile, median, third quartile) per file; ``step`` is the step in which height and
    width of model.pt2 may vary, None where they are fixed. ``notes`` say what a file for another
    library cannot say. ``accuracies`` are the main metric on the whole validation part, of the
    eager network and of each file.
    """

    path: Path
    files: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    latencies: Mapping[str, list[float]] = field(default_factory=dict)
    step: int | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    accuracies: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _Work:
    """One export under way: the model it serves, and the directory that is being filled."""

    subject: Subject
    options: Options
    path: Path
    model: nn.Module
    program: pt2.Program | None = None
    rounded: list[quantize.Rounded] = field(default_factory=list)
    libraries: Sequence[str] = ("torch",)
    delivery: Delivery = field(default_factory=lambda: Delivery(Path(), ()))

    def inputs(self, images: Tensor) -> Tensor:
        return self.subject.inputs(images, preprocessing=self.options.preprocessing)

    def traced(self) -> pt2.Program:
        """The exported program, made once."""
        if self.program is None:
            self.program = pt2.trace(
                self.model,
                self.inputs(self.subject.images[:3]),
                None if self.options.fixed_size or self.options.timed else self.subject.stride,
                channels_last=self.options.preprocessing,
            )
        return self.program

    def write_graph(self, name: str) -> None:
        """Write one of the graphs: model.pt2, model.onnx, or that of another library."""
        if name == "pt2":
            pt2.write(self.traced(), self.path)
        elif name in _BY_IMAGE:
            _BY_IMAGE[name](self.model, self.inputs(self.subject.images[:1]), self.path)
        else:
            write = onnx_format.write if name == "onnx" else openvino_format.write
            write(
                self.traced(), self.path,
                preprocessing=self.options.preprocessing, opset=self.options.opset,
            )  # fmt: skip

    def write_int8(self, name: str) -> None:
        """Write one of the graphs in int8: model_int8.pt2, .onnx or .pte."""
        calibration = self.inputs(self.subject.calibration)
        if name == "pt2":
            made = quantize.write(self.model, self.subject, self.inputs, self.path)
        elif name == "onnx":
            file = (self.path / onnx_format.FILE).read_bytes()
            made = int8_files.of_onnx(file, calibration, self.path)
        else:
            made = int8_files.of_executorch(self.model, calibration, self.path)
        self.rounded.append(made)

    def finish(self, found: check.Found) -> None:
        """Write what can only be written after the check: README.md and the checksums."""
        latencies = found.latencies
        done = replace(self.delivery, files=(*self.delivery.files, readme.FILE, hashes.NAME))
        self.delivery = replace(done, latencies=latencies, accuracies=self._accuracies(found))
        about = readme.About(
            files=done.files,
            skipped=done.skipped,
            latencies=latencies,
            step=done.step,
            deploy=self.options.deploy,
            preprocessing=self.options.preprocessing,
            libraries=self.libraries,
            opset=self.options.opset,
            versions=versions(),
            quantised=tuple((made.file, made.sentence) for made in self.rounded),
            accuracies=self.delivery.accuracies,
            timed=self.options.timed,
            timed_file=self.options.timed_file,
        )
        readme.write(self.subject, self.path, about)
        hashes.write(self.path)

    def _accuracies(self, found: check.Found) -> dict[str, float]:
        """Return the metric of the eager network and of each file on the whole validation part."""
        whole = self.subject.validation
        if whole is None:
            return {}
        eager = self.subject.served(deploy=False, preprocessing=self.options.preprocessing)
        with torch.no_grad():
            batches = (eager(self.inputs(images)) for images in whole.images.split(_BATCH))
            answers = {readme.EAGER: [y.argmax(1) if y.dim() > 2 else y for y in batches]}
        return {name: whole.score(y) for name, y in (answers | dict(found.outputs)).items()}

    def item(self) -> check.Item:
        """What has to be checked: the eager network in training form says what is right."""
        images = self.subject.images
        batches = [self.inputs(images[:1]), self.inputs(images[1:8])]
        eager = self.subject.served(deploy=False, preprocessing=self.options.preprocessing)
        with torch.no_grad():
            expected = tuple(eager(batch) for batch in batches)
        checked = tuple(name for name in self.delivery.files if name in MODELS)
        with torch.no_grad():
            own = {
                made.file: check.Own(tuple(map(made.run, batches)), quantize.TOLERANCE)
                for made in self.rounded
            }
        whole = self.subject.validation
        norm = None if self.options.preprocessing else (self.subject.mean, self.subject.std)
        return check.Item(
            self.path, checked, tuple(batches), expected, own, self.subject.host,
            None if whole is None else check.Whole(whole.images, norm),
        )  # fmt: skip


def deliver(subject: Subject, target: Path, options: Options | None = None) -> Delivery:
    """Write the export of one subject; see ``deliver_all``."""
    return deliver_all([(subject, target)], options or Options())[0]


def deliver_all(subjects: Sequence[tuple[Subject, Path]], options: Options) -> list[Delivery]:
    """Write the export of each subject to its directory, all or none of them.

    Every file is loaded in a fresh process in which plugnas cannot be imported, and compared with
    the eager network on real images.

    Raises:
        ExportError: a format that a module does not allow, a file that computes something else,
            a place that cannot be written; no directory is left behind.
    """
    with contextlib.ExitStack() as stack:
        works = []
        for subject, target in subjects:
            path = stack.enter_context(directory.whole(target))
            works.append(_write_models(subject, target, path, options))
        items = [work.item() for work in works]
        answers = check.check(items, _SECONDS if options.measure else 0.0)
        found = []
        for work, answer in zip(works, answers, strict=True):
            work.finish(answer)
            found.append(work.delivery)
    return found


def _write_models(subject: Subject, target: Path, path: Path, options: Options) -> _Work:
    wanted, skipped = formats_of(subject.id, subject.module_keys, options)
    served = subject.served(deploy=options.deploy, preprocessing=options.preprocessing)
    work = _Work(subject, options, path, served)
    files, notes = [], dict[str, str]()
    for name, own in _GRAPHS.items():
        if name not in wanted:
            continue
        try:
            work.write_graph(name)
        except ExportError as error:
            if options.formats is not None:
                raise
            skipped[name] = str(error)  # by default, what can be written is
        else:
            files += own
    if options.quantize is not None:
        for name in int8_files.FORMATS:
            if name in wanted and name not in skipped:
                work.write_int8(name)
        files += [made.file for made in work.rounded]
    if "safetensors" in wanted:
        tensors.write_weights(subject, path)
        tensors.write_architecture(
            subject, path, versions(), deploy=options.deploy, preprocessing=options.preprocessing
        )
        files += [tensors.WEIGHTS, tensors.ARCHITECTURE]
    if "source" in wanted:
        work.libraries = model_py.write(
            subject, path, deploy=options.deploy, preprocessing=options.preprocessing
        )
        files.append(model_py.FILE)
        if subject.several:
            skipped[train_py.FILE] = "it learns one class for each image, not several labels"
        else:
            files += train_py.write(subject, path)
        if subject.host is not None and subject.host.file is not None:
            files.append(str(subject.host.file_name))
        if "hub" in wanted:
            files += hub.write(subject, path)
        for kind in _libraries(wanted, options):
            written = elsewhere.write(kind, subject, path, work.libraries)
            files.append(written.file)
            if written.note is not None:
                notes[written.file] = written.note
    step = work.program.step if work.program else None
    work.delivery = Delivery(target, tuple(files), skipped, {}, step, notes)
    return work


def _libraries(wanted: Sequence[str], options: Options) -> tuple[str, ...]:
    """Return the libraries that get a file of their own; timm reads a hub's folder through one."""
    given = options.elsewhere
    return (*given, "timm") if "hub" in wanted and "timm" not in given else given


__all__ = ["FORMATS", "Delivery", "Options", "deliver", "deliver_all"]
