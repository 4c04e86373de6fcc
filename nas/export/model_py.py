"""``model.py``: the source of exactly one network, which needs torch and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from plugnas import modules
from plugnas.nas.export import host_py
from plugnas.nas.export.classifier import Answer, Classifier
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.expressions import constant
from plugnas.nas.export.network_py import CONSTRUCTORS, network_text
from plugnas.nas.export.standalone.reading import read_safetensors
from plugnas.nas.export.subject import Subject
from plugnas.nas.export.written import Need, Writer, dotted
from plugnas.space import Network

FILE = "model.py"
_OWN_NAMES = (
    "Network", "network", "host", "trained", "load", "main",
    "CLASSES", "INPUT_SHAPE", "MEAN", "STD",
)  # fmt: skip


def write(subject: Subject, directory: Path, *, deploy: bool, preprocessing: bool) -> list[str]:
    """Write model.py; return the libraries that it imports.

    Args:
        subject: the network and its facts.
        directory: where model.py is written.
        deploy: whether it builds the deploy form by default.
        preprocessing: whether it takes images as bytes.

    Raises:
        ExportError: the source of a module cannot stand alone.
    """
    text = source(subject, deploy=deploy, preprocessing=preprocessing)
    (directory / FILE).write_text(text, encoding="utf-8")
    if subject.host is not None and subject.host.file is not None:
        shutil.copyfile(subject.host.file, directory / str(subject.host.file_name))
    return _needs(subject, text)


def _needs(subject: Subject, text: str) -> list[str]:
    """Return what a model.py imports beside the standard library, the host's package with it."""
    package = None if subject.host is None else subject.host.package
    return list(dict.fromkeys([*libraries(text), *([package] if package else [])]))


def source(subject: Subject, *, deploy: bool, preprocessing: bool) -> str:
    """Return the text of model.py."""
    from plugnas.nas.export.source import Collector, check_names  # imports libcst

    collector = Collector(
        without=frozenset({"adopt"} if deploy else {"adopt", "fuse"}),
        headings=_headings(subject),
        constructors=CONSTRUCTORS,
        taken={*_OWN_NAMES},
    )
    built = _built(subject, collector.need)
    if subject.returns_dict:
        collector.need(dotted(Answer))
    if preprocessing:
        collector.need(dotted(Classifier))
    collector.need(f"{read_safetensors.__module__}.read_safetensors")
    if deploy:
        collector.need("plugnas.modules._fuse.fuse")
    own = {
        "import sys", "from collections import OrderedDict", "from pathlib import Path",
        "import torch", "from torch import Tensor", "from torch import nn",
    }  # fmt: skip
    imports = _imports(collector.imports | own)
    pieces = [
        _head(subject, _needs(subject, imports), deploy=deploy, preprocessing=preprocessing),
        "from __future__ import annotations",
        imports,
        _constants(subject),
        *_spaced(collector.bodies),
        "\n\n" + built,
        "\n\n" + _trained(subject),
        "\n\n" + _load(subject, deploy=deploy, preprocessing=preprocessing),
        "\n\n" + _main(preprocessing=preprocessing),
    ]
    text = "\n\n".join(pieces).replace("\n\n\n\n", "\n\n\n") + "\n"
    check_names(text)
    return text


def _built(subject: Subject, need: Need) -> str:
    """Return the definition of ``Network``, or of ``network`` where modules are in a host."""
    if subject.host is not None:
        return host_py.building(subject.host, subject.network, need)
    if not isinstance(subject.network, Network):
        raise ExportError("model.py can be written only for a network that a space has built")
    return network_text(subject, Writer(need).network(subject.network))


def _headings(subject: Subject) -> dict[str, str]:
    """The mechanism and its paper above each class of the zoo."""
    found = {}
    for key in subject.module_keys:
        entry = modules.get(key)
        year = f" ({entry.year})" if entry.year else ""
        paper = f": {entry.paper}" if entry.paper else ""
        found[dotted(entry.cls)] = f"{entry.name}{year}{paper}"
    return found


def libraries(text: str) -> list[str]:
    """Return what a model.py imports beside the standard library."""
    return [
        name
        for name in ("torch", "torchvision")
        if re.search(rf"^(from|import) {name}\b", text, re.M)
    ]


def _spaced(bodies: list[str]) -> list[str]:
    """Join constants that follow each other; two empty lines before everything else."""
    groups: list[str] = []
    constants = False
    for body in bodies:
        is_constant = not re.search(r"^(class|def|@)", body, re.M)
        if is_constant and constants:
            groups[-1] += "\n" + body
        else:
            groups.append("\n\n" + body)
        constants = is_constant
    return groups


def _head(subject: Subject, needs: list[str], *, deploy: bool, preprocessing: bool) -> str:
    channels, height, width = subject.input_shape
    takes = (
        f"uint8 images (B, {height}, {width}, {channels}) in, probabilities out"
        if preprocessing
        else f"images (B, {channels}, {height}, {width}) in, normalised by MEAN and STD; logits out"
    )
    form = (
        """``load(deploy=False)`` gives the form that can be trained further; the other has norms
and branches folded into its convolutions and computes the same with less."""
        if deploy
        else "Norms are kept as they were trained, so that training can go on."
    )
    return f'''"""Network {subject.id}: {subject.purpose}.

    from model import load
    model = load()  # {takes}

{form}

Needs {" and ".join(needs)}. {_beside(subject)} Generated by
plugnas, which it does not need.
"""'''


def _beside(subject: Subject) -> str:
    if subject.host is None or subject.host.file_name is None:
        return "Weights are read from model.safetensors beside this file."
    return (
        f"Weights are read from model.safetensors and the host's\ncode from "
        f"{subject.host.file_name}, both beside this file."
    )


def _imports(statements: set[str]) -> str:
    """Sort imports as linters do: the standard library, then the others, joined per module."""
    plain = sorted(s for s in statements if s.startswith("import "))
    joined: dict[str, set[str]] = {}
    for statement in statements - set(plain):
        place, names = statement.removeprefix("from ").split(" import ")
        joined.setdefault(place, set()).add(names)
    froms = [f"from {p} import {', '.join(sorted(joined[p], key=_case))}" for p in sorted(joined)]
    both = [*plain, *froms]
    others = [s for s in both if s.split()[1].split(".")[0] in ("torch", "torchvision")]
    standard = [s for s in both if s not in others]
    return "\n".join(standard) + "\n\n" + "\n".join(others)


def _case(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


def _constants(subject: Subject) -> str:
    shape = f"INPUT_SHAPE = {subject.input_shape}  # channels, height, width"
    mean = constant("MEAN", subject.mean) + "  # per channel, of images scaled to 0..1"
    return "\n".join(
        [constant("CLASSES", subject.classes), shape, mean, constant("STD", subject.std)]
    )


def _trained(subject: Subject) -> str:
    make = "Network()" if subject.host is None else "network()"
    return "\n".join(
        [
            "def trained(directory: str | Path | None = None) -> nn.Module:",
            '    """Return the network in training form with the weights of model.safetensors."""',
            "    folder = Path(__file__).parent if directory is None else Path(directory)",
            f"    built: nn.Module = {make}",
            '    state = read_safetensors(folder / "model.safetensors")',
            "    built.load_state_dict(state, strict=True)",
            "    return built",
        ]
    )


def _load(subject: Subject, *, deploy: bool, preprocessing: bool) -> str:
    argument = ", *, deploy: bool = True" if deploy else ""
    lines = [
        f"def load(directory: str | Path | None = None{argument}) -> nn.Module:",
        '    """Return the network in eval mode with the weights of model.safetensors."""',
        "    built = trained(directory).eval()",
    ]
    if deploy:
        lines += ["    if deploy:", "        built = fuse(built)"]
    if subject.returns_dict:
        lines.append("    built = Answer(built).eval()")
    last = "Classifier(built, MEAN, STD).eval()" if preprocessing else "built"
    return "\n".join([*lines, f"    return {last}"])


def _main(*, preprocessing: bool) -> str:
    image = (
        "torch.zeros(1, height, width, channels, dtype=torch.uint8)"
        if preprocessing
        else "torch.zeros(1, channels, height, width)"
    )
    return "\n".join(
        [
            "def main() -> None:",
            '    """Load the weights and answer for an empty image, to show that all is well."""',
            "    model = load()",
            "    channels, height, width = INPUT_SHAPE",
            "    with torch.no_grad():",
            f"        output = model({image})",
            "    count = sum(p.numel() for p in model.parameters())",
            '    sys.stdout.write(f"{count} parameters, output {tuple(output.shape)}\\n")',
            "",
            "",
            'if __name__ == "__main__":',
            "    main()",
        ]
    )
