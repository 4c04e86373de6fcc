"""From a subject to a directory of files, each of them checked before the directory appears."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.nas.export import (
    check,
    directory,
    elsewhere,
    hashes,
    model_py,
    onnx_format,
    pt2,
    quantize,
    readme,
    tensors,
    train_py,
)
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Subject
from plugnas.nas.graph.onnx_graph import OPSET
from plugnas.nas.machine.versions import versions

FORMATS = ("pt2", "onnx", "safetensors", "source")
_SECONDS = 0.3  # for the latency of each file


@dataclass(frozen=True)
class Options:
    """What is written, and how. ``formats`` of None are all that the network's modules take.

    ``elsewhere`` names libraries that get a file of their own: ``timm``, ``hub``, ``mmdet``.
    """

    formats: tuple[str, ...] | None = None
    deploy: bool = True
    preprocessing: bool = False
    fixed_size: bool = False
    quantize: str | None = None
    opset: int = OPSET
    measure: bool = True
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """An export that was written and checked.

    ``skipped`` tells of each format left out and why; ``latencies`` are milliseconds of one image
    (first quartile, median, third quartile) per file; ``step`` is the step in which height and
    width of model.pt2 may vary, None where they are fixed. ``notes`` say what a file for another
    library cannot say.
    """

    path: Path
    files: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    latencies: Mapping[str, list[float]] = field(default_factory=dict)
    step: int | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Work:
    """One export under way: the model it serves, and the directory that is being filled."""

    subject: Subject
    options: Options
    path: Path
    model: nn.Module
    program: pt2.Program | None = None
    quantised: quantize.Quantised | None = None
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
                None if self.options.fixed_size else self.subject.stride,
                channels_last=self.options.preprocessing,
            )
        return self.program

    def write_graph(self, name: str) -> None:
        """Write model.pt2 or model.onnx."""
        if name == "pt2":
            pt2.write(self.traced(), self.path)
        else:
            onnx_format.write(
                self.traced(), self.path,
                preprocessing=self.options.preprocessing, opset=self.options.opset,
            )  # fmt: skip

    def finish(self, latencies: Mapping[str, list[float]]) -> None:
        """Write what can only be written after the check: README.md and the checksums."""
        done = replace(self.delivery, files=(*self.delivery.files, readme.FILE, hashes.NAME))
        self.delivery = replace(done, latencies=latencies)
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
            quantised=self.quantised.sentence() if self.quantised else None,
        )
        readme.write(self.subject, self.path, about)
        hashes.write(self.path)

    def item(self) -> check.Item:
        """What has to be checked: the eager network in training form says what is right."""
        images = self.subject.images
        batches = [self.inputs(images[:1]), self.inputs(images[1:8])]
        eager = self.subject.served(deploy=False, preprocessing=self.options.preprocessing)
        with torch.no_grad():
            expected = tuple(eager(batch) for batch in batches)
        models = ("model.pt2", "model.onnx", "model.py", quantize.FILE)
        checked = tuple(name for name in self.delivery.files if name in models)
        own = {}
        if self.quantised is not None:
            with torch.no_grad():
                rounded = tuple(self.quantised.model(batch) for batch in batches)
            own[quantize.FILE] = check.Own(rounded, quantize.TOLERANCE)
        return check.Item(self.path, checked, tuple(batches), expected, own, self.subject.host)


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
        latencies = check.check(items, _SECONDS if options.measure else 0.0)
        found = []
        for work, took in zip(works, latencies, strict=True):
            work.finish(took)
            found.append(work.delivery)
    return found


def _write_models(subject: Subject, target: Path, path: Path, options: Options) -> _Work:
    wanted, skipped = formats_of(subject.id, subject.module_keys, options)
    served = subject.served(deploy=options.deploy, preprocessing=options.preprocessing)
    work = _Work(subject, options, path, served)
    files, notes = [], dict[str, str]()
    for name, file in (("pt2", pt2.FILE), ("onnx", onnx_format.FILE)):
        if name not in wanted:
            continue
        try:
            work.write_graph(name)
        except ExportError as error:
            if options.formats is not None:
                raise
            skipped[name] = str(error)  # by default, what can be written is
        else:
            files.append(file)
    if options.quantize is not None:
        work.quantised = quantize.write(served, subject, work.inputs, path)
        files.append(quantize.FILE)
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
            train_py.write(subject, path)
            files += [train_py.FILE, train_py.READER]
        if subject.host is not None and subject.host.file is not None:
            files.append(str(subject.host.file_name))
        for kind in options.elsewhere:
            written = elsewhere.write(kind, subject, path, work.libraries)
            files.append(written.file)
            if written.note is not None:
                notes[written.file] = written.note
    step = work.program.step if work.program else None
    work.delivery = Delivery(target, tuple(files), skipped, {}, step, notes)
    return work


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
        if name not in FORMATS:
            raise ExportError(
                f"--format is one or more of {', '.join(FORMATS)}, not `{name}`"
                f"{modules.did_you_mean(name, FORMATS)}"
            )
        if name in reasons:
            raise ExportError(f"{identity} cannot be written as {name}: {reasons[name]}")
    wanted = options.formats or tuple(name for name in FORMATS if name not in reasons)
    if "source" in wanted and "safetensors" not in wanted:
        wanted = (*wanted, "safetensors")  # model.py reads its weights from there
    if options.quantize:
        quantize.require()
        if "pt2" not in wanted and "pt2" not in reasons:
            wanted = (*wanted, "pt2")  # the float model's latency stands beside int8's
    return wanted, {} if options.formats else reasons
