"""``README.md`` of an export: all that its user must know, for somebody without plugnas."""

from __future__ import annotations

import contextlib
import math
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from plugnas.nas.cost.quantity import short
from plugnas.nas.export import hub, loading, train_py
from plugnas.nas.export.geometry import geometry
from plugnas.nas.export.hosted import Hosted
from plugnas.nas.export.subject import Subject
from plugnas.nas.front.metric import metric
from plugnas.space import Part
from plugnas.space.block import BlockSpec
from plugnas.space.decoder import DenseHeadSpec
from plugnas.space.network import StemSpec
from plugnas.space.options import Choice
from plugnas.space.training import settings_of, token

FILE = "README.md"
EAGER = "eager"  # the network itself among the accuracies of files
_COSTS = {
    "params": "parameters",
    "flops": "FLOPs (2 per multiply-add)",
    "macs": "multiply-adds",
    "elementwise": "elementwise operations",
    "memory": "peak activation memory, bytes, one image",
    "ram": "RAM on the device, bytes",
    "flash": "flash on the device, bytes of the weights",
    "latency_ms": "latency in the search, ms",
}


@dataclass(frozen=True)
class About:
    """What only the delivery knows: files, form, measured latencies, accuracies of artefacts."""

    files: Sequence[str]
    skipped: Mapping[str, str]
    latencies: Mapping[str, Sequence[float]]
    step: int | None
    deploy: bool
    preprocessing: bool
    libraries: Sequence[str]
    opset: int
    versions: Mapping[str, str]
    quantised: Sequence[tuple[str, str]] = ()  # each file in int8, and what is said of it
    timed: str | None = None
    timed_file: str | None = None
    accuracies: Mapping[str, float] = field(default_factory=dict)


def write(subject: Subject, directory: Path, about: About) -> None:
    """Write README.md."""
    sections = [
        _title(subject, about),
        _input(subject, about),
        _quality(subject),
        _exported_quality(subject, about),
        _costs(subject, about),
        _architecture(subject),
        loading.section(
            subject, about.files, about.skipped, about.libraries, about.opset, deploy=about.deploy
        ),
        _training(subject, about),
        _checks(subject, about),
    ]
    if hub.FILE in about.files:
        sections.insert(0, hub.front_matter(subject))
    text = "\n\n".join(section for section in sections if section)
    (directory / FILE).write_text(text + "\n", encoding="utf-8")


def _title(subject: Subject, about: About) -> str:
    form = (
        "The exported graphs are in deploy form: norms and parallel branches are folded into the "
        "convolutions."
        if about.deploy
        else "The exported graphs are in training form: norms are kept as they were trained."
    )
    warning = ""
    if subject.provenance.source == "proxy":
        warning = (
            "\n\n> **These weights come from a short training of the search.** Train the network "
            "longer (`train.py`, or `nas export --train`) before use."
        )
    plugged = "" if subject.host is None else f": {subject.host.trace.name} with modules plugged in"
    return (
        f"# Network {subject.id}\n\n{subject.purpose.capitalize()}{plugged}, chosen by an "
        "architecture search. Nothing here needs the program that made it. "
        f"{form}{warning}"
    )


def _input(subject: Subject, about: About) -> str:
    channels, height, width = subject.input_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    mean, std = (", ".join(f"{v:.6g}" for v in values) for values in (subject.mean, subject.std))
    if about.preprocessing:
        takes = (
            f"**Input:** uint8 `(B, {height}, {width}, {channels})`, {colour}, as read from a "
            f"file. **Output:** probabilities `{subject.output_shape}`. Scaling to 0..1 and "
            f"normalisation (mean {mean}; std {std}) are inside."
        )
    else:
        takes = (
            f"**Input:** float32 `(B, {channels}, {height}, {width})`, {colour}, "
            f"`(pixel / 255 - mean) / std` with mean {mean} and std {std} per channel. "
            f"**Output:** logits `{subject.output_shape}`; softmax makes them probabilities."
        )
    if about.step is None:
        free = "The batch may be of any size; height and width are fixed."
    else:
        free = f"The batch may be of any size; height and width any multiple of {about.step}"
        free += f", though it was trained at {height}x{width}." if about.step else "."
    names = ", ".join(f"{i}: {_plain(name)}" for i, name in enumerate(subject.classes))
    return f"## Input and output\n\n{takes}\n\n{free}{geometry(subject)}\n\n**Classes:** {names}"


def _plain(name: str) -> str:
    """Return a name as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", name)


def _quality(subject: Subject) -> str:
    p = subject.provenance
    shown = metric(p.metric, "max", [p.value])
    lines = [f"These weights (seed {p.seed}): **{shown.text(p.value)}** on {p.measured_on}."]
    if p.mean is not None:
        what = "standard deviation" if p.spread is not None else "one seed, so no spread is known"
        spread = math.nan if p.spread is None else p.spread
        mean = shown.mean_text(p.mean, spread)
        lines.append(f"Over {p.n} seed{'s' * (p.n != 1)}: {mean} ({what}).")
    title = p.metric.replace("_", " ").capitalize()
    return f"## {title}\n\n" + " ".join(lines) + f"\n\nWeights: {p.note}."


def _exported_quality(subject: Subject, about: About) -> str:
    """What each file gives on the whole validation part, beside the eager network."""
    whole = subject.validation
    if whole is None or not about.accuracies:
        return ""
    shown = metric(whole.metric, "max", list(about.accuracies.values()))
    title = whole.metric.replace("_", " ")
    rows = [f"| | {title} on the {len(whole.images)} validation images |", "|---|---|"]
    for name, value in about.accuracies.items():
        label = f"`{name}`" if name != EAGER else "the network itself, eager torch"
        rows.append(f"| {label} | {shown.text(value)} |")
    return "\n".join(rows)


def _costs(subject: Subject, about: About) -> str:
    rows = ["| cost | |", "|---|---|"]
    for name, label in _COSTS.items():
        value = subject.costs.get(name)
        if value is not None and math.isfinite(value):
            rows.append(f"| {label} | {short(value)} |")
    rows += _latency_rows(about)
    int8 = " unless the file says int8" if about.quantised else ""
    note = (
        f"Latencies: one image, float32{int8}, one thread of {_processor()}, median of repeated "
        "calls (quartiles in brackets), measured when the export was made; costs are those of the "
        "deploy form."
    )
    if about.timed_file is not None and about.timed_file in about.files:
        note += f" The search timed this graph, `{about.timed_file}`, in {about.timed}: "
        onnx = about.timed_file.endswith(".onnx")
        note += f"sizes fixed, the batch free, opset {about.opset}" if onnx else "sizes fixed"
        rounded = about.timed_file in dict(about.quantised)
        note += "; with int8 ranges of random numbers, on which no latency depends." * rounded
        note += "." * (not rounded)
    counted, (_, height, width) = str(subject.values["input"]), subject.input_shape
    if counted.split("x")[1:] != [str(height), str(width)]:
        note += (
            f" Costs and the table below are for the search's images, {counted}; the latencies for "
            f"the {height}x{width} of training."
        )
    return "## Costs\n\n" + "\n".join(rows) + f"\n\n{note}"


def _latency_rows(about: About) -> Iterator[str]:
    for name, (low, middle, high) in about.latencies.items():
        yield f"| latency of `{name}`, ms | {middle:.3f} ({low:.3f} to {high:.3f}) |"


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(v.split(":", 1)[1].strip() for v in lines if v.startswith("model name"))
    return platform.processor() or platform.machine()


def _architecture(subject: Subject) -> str:
    if subject.host is not None:
        return _plugged(subject.host)
    slots = ("operator", "attention", "fusion", "activation")
    rows = [f"| part | input | {' | '.join(slots)} |", "|---" * (len(slots) + 2) + "|"]
    for part in subject.parts:
        size = "x".join(map(str, part.input_shape))
        cells = _cells(part)
        inner = [cells.pop(slot, "") for slot in slots]
        others = ", ".join(f"{k}: {v}" for k, v in cells.items())
        inner[0] = "; ".join(text for text in (others, inner[0]) if text)
        rows.append(f"| {part.position} | {size} | {' | '.join(inner)} |")
    return "## Architecture\n\n" + "\n".join(rows)


def _plugged(host: Hosted) -> str:
    begin = (
        "Each plug computes `y = x + g (m(x) - x)`, with one learnt g per channel; `plugs.*.gate` "
        "in the weights holds them."
        if host.start == "identity"
        else "Each plug computes `y = m(x)`."
    )
    rows = ["| where | module | map |", "|---|---|---|"]
    for p in host.placements:
        word = "after" if p.how == "after" else "in place of"
        size = "x".join(map(str, host.trace.by_path[p.path].map_out))
        rows.append(f"| {word} `{p.path}` | {p.choice.text} | {size} |")
    if not host.placements:
        rows = ["Nothing is plugged in: this is the host itself."]
    return (
        f"## Architecture\n\n`{host.source.model}`, its weights under its own names. {begin}\n\n"
        + "\n".join(rows)
    )


def _cells(part: Part) -> dict[str, str]:
    spec = part.spec
    if isinstance(spec, StemSpec):
        return {"convolution": f"{spec.kernel_size}x{spec.kernel_size} to {spec.width}"}
    if isinstance(spec, DenseHeadSpec):
        return {"classifier": f"1x1 to {spec.classes}, resampled to {spec.height}x{spec.width}"}
    cells = {
        field.name: getattr(spec, field.name).text
        for field in fields(spec)  # type: ignore[arg-type]
        if isinstance(getattr(spec, field.name), Choice)
    }
    if isinstance(spec, BlockSpec):
        stride = f", stride {spec.stride}" if spec.stride > 1 else ""
        cells["operator"] += f" to {spec.out_channels}{stride}"
    return cells


def _training(subject: Subject, about: About) -> str:
    if "train.py" not in about.files:
        return ""
    recipe = subject.provenance.recipe
    size = f" at {recipe['height']}x{recipe['width']} pixels" if "height" in recipe else ""
    mixed = "" if subject.dense else ", and `mixing.py`, which mixes and erases them as it did"
    left = ", ".join(f"`{name}`" for name in train_py.left_out(subject))
    without = f" Of the run's recipe it leaves out {left}." if left else ""
    if (task := train_py.other_loss(subject)) is not None:
        without += f" It trains by cross-entropy, not by the loss of the run's task `{task}`."
    chosen = ", ".join(f"`{n}` {token(v)}" for n, v in settings_of(subject.values).items())
    own = f" The search chose, for this network: {chosen}." if chosen else ""
    begin, maker = ("from scratch", "Network") if subject.host is None else ("further", "network")
    return (
        f"## Training {begin}\n\n```\npython train.py IMAGES --out weights.pt\n```\n\n"
        f"{train_py.LAYOUTS[subject.dense]} The recipe"
        f"{size} is at the top of `train.py`; it needs torch, numpy and Pillow, and `pixels.py`, "
        f"which reads images as the search did{mixed}.{own}{without} Read the result by "
        f"`{maker}().load_state_dict(torch.load('weights.pt', weights_only=True))`."
    )


def _checks(subject: Subject, about: About) -> str:
    draws = " pixel that is no draw between two" if subject.dense else ""
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    quantised = "".join(f" {sentence}" for _, sentence in about.quantised)
    names = " and ".join(f"`{name}`" for name, _ in about.quantised)
    exact = f" ({names}: of the quantised network, within 0.02)" if quantised else ""
    return (
        "## Checks\n\nBefore this directory appeared, every model in it was loaded in a fresh "
        "process without the program that made it, and gave the outputs of the trained network on "
        "real images at batch 1 and 7, within 1e-4 of the largest, with the same class for each"
        f"{draws}{exact}."
        f"{quantised} `sha256sum -c SHA256SUMS` tells whether a file was changed since.\n\n"
        f"Made with {versions}."
    )
