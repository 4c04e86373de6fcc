"""Weights as safetensors, the architecture as JSON, and the way back to a module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import nn

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas.export import hashes
from plugnas.nas.export.classifier import Classifier
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Subject
from plugnas.nas.machine.reading import read_json
from plugnas.space import Network, Part, parts_of
from plugnas.space.sizes import check_values
from plugnas.space.typed import convert

WEIGHTS, ARCHITECTURE = "model.safetensors", "architecture.json"
_VERSION = 1


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``architecture.json`` says; ``values`` alone decide the network."""

    plugnas_export: int
    id: str
    values: dict[str, int | str]
    form: str
    preprocessing: bool
    input_shape: tuple[int, int, int]
    classes: list[str]
    mean: list[float]
    std: list[float]
    weights: dict[str, Any]
    costs: dict[str, float]
    versions: dict[str, str]


def write_weights(subject: Subject, directory: Path) -> None:
    """Write the trained weights, those of the training form, from which both forms follow."""
    state = {name: t.detach().clone().contiguous() for name, t in _state(subject).items()}
    safetensors.torch.save_file(state, directory / WEIGHTS, metadata={"format": "pt"})


def _state(subject: Subject) -> dict[str, Any]:
    return dict(subject.network.state_dict())


def write_architecture(
    subject: Subject,
    directory: Path,
    versions: dict[str, str],
    *,
    deploy: bool,
    preprocessing: bool,
) -> None:
    """Write what the network is, how its input is prepared, and where its weights come from.

    Args:
        subject: the network and its facts.
        directory: where architecture.json is written.
        versions: of the software that made it.
        deploy: whether the graphs are in deploy form.
        preprocessing: whether they take images as bytes.
    """
    p = subject.provenance
    description = Description(
        plugnas_export=_VERSION,
        id=subject.id,
        values=dict(subject.values),
        form="deploy" if deploy else "training",
        preprocessing=preprocessing,
        input_shape=subject.input_shape,
        classes=list(subject.classes),
        mean=list(subject.mean),
        std=list(subject.std),
        weights={name: getattr(p, name) for name in p.__dataclass_fields__},
        costs=dict(subject.costs),
        versions=versions,
    )
    text = json.dumps(msgspec.to_builtins(description), indent=2, ensure_ascii=False)
    (directory / ARCHITECTURE).write_text(text + "\n", encoding="utf-8")


def describe(directory: Path | str) -> Description:
    """Read the architecture of an export.

    Raises:
        ExportError: it is not there, damaged, or of a later version.
    """
    path = Path(directory) / ARCHITECTURE
    try:
        data = read_json(path, dict[str, Any])
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read as JSON ({error}); copy it again") from None
    if data.get("plugnas_export") != _VERSION:
        raise ExportError(
            f"{path} is of export version {data.get('plugnas_export')}, and this plugnas reads "
            f"{_VERSION}; model.py and model.pt2 beside it need no plugnas"
        )
    return convert(data, Description, str(path))


def load(directory: Path | str) -> nn.Module:
    """Return the model of an export directory, in eval mode, with its weights.

    Checksums are verified first; the network is built from ``architecture.json`` and its weights
    read with safetensors, so that nothing in the directory is ever executed. It takes and returns
    what the export's other files do: deploy form and preprocessing as exported.

    Raises:
        PlugnasError: no export there; a file missing, changed, truncated; a module that this
            version of the zoo does not have.
    """
    directory = Path(directory)
    hashes.verify(directory, (WEIGHTS, ARCHITECTURE))
    description = describe(directory)
    if "host" in description.values:
        raise ExportError(
            f"{directory} holds a network of the user's own with modules plugged in "
            f"({description.values['host']}), whose code plugnas does not run from an export; "
            "`from model import load` in that directory loads it, and model.pt2 needs no code"
        )
    try:
        check_values(description.values)
        parts = parts_of(description.values)
        _check_size(parts, directory / WEIGHTS)
        network: nn.Module = Network(parts).eval()
    except ExportError:
        raise
    except PlugnasError as error:
        raise ExportError(
            f"{directory / ARCHITECTURE} cannot be built by this version of plugnas: {error}; "
            "model.py and model.pt2 beside it need no plugnas"
        ) from None
    read_weights(network, directory / WEIGHTS)
    if description.form == "deploy":
        network = modules.fuse(network)
    if description.preprocessing:
        return Classifier(network, description.mean, description.std).eval()
    return network


def _check_size(parts: tuple[Part, ...], path: Path) -> None:
    """Refuse to build what takes more memory than its weights: the description is not theirs."""
    with torch.device("meta"):
        state = Network(parts).state_dict()
    takes = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if takes > path.stat().st_size:
        raise ExportError(
            f"{path} does not fit the network of {ARCHITECTURE}: that takes {takes:,} bytes, and "
            f"the file has {path.stat().st_size:,}; copy both files again"
        )


def read_weights(network: nn.Module, path: Path) -> None:
    """Fill a network strictly from a safetensors file.

    Raises:
        ExportError: the file is missing, damaged, or holds other tensors than the network's.
    """
    try:
        state = safetensors.torch.load_file(path)
        network.load_state_dict(state, strict=True)
    except (OSError, safetensors.SafetensorError) as error:
        raise ExportError(f"{path} cannot be read as safetensors ({error})") from None
    except RuntimeError as error:
        reason = str(error).splitlines()
        raise ExportError(
            f"{path} does not fit the network of {ARCHITECTURE}: {' '.join(reason[1:3]).strip()}"
        ) from None
