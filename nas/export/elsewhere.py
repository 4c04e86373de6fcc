"""Files by which other libraries take an exported network: timm, torch.hub, mmdetection."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plugnas import modules
from plugnas.nas.export import mmdet, model_py
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Subject

FILES = {"timm": "timm_model.py", "hub": "hubconf.py", "mmdet": "mmdet_plugins.py"}

_READ = '''
def _model() -> ModuleType:
    """Import model.py, which lies beside this file."""
    spec = importlib.util.spec_from_file_location("{name}_model", HERE / "model.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"model.py must lie beside this file, in {{HERE}}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
'''
_TIMM = '''"""Registers {title} with timm.

Import this file, then ``timm.create_model("{name}", pretrained=True)``. It needs model.py and
model.safetensors beside it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from timm.models import register_model
from torch import nn

HERE = Path(__file__).resolve().parent
CLASSES = {classes}
OF_TIMM = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "scriptable", "features_only")

{read}

@register_model
def {name}(pretrained: bool = False, **given: Any) -> nn.Module:
    """Return the network, trained or with fresh weights; its classes and channels are fixed."""
    fixed = {{"num_classes": CLASSES, "in_chans": {channels}}}
    for key, value in given.items():
        if value not in (None, False, fixed.get(key)) and key not in OF_TIMM:
            raise ValueError(f"{name} takes no {{key}}={{value!r}}; it has {{fixed}}")
    module = _model()
    network: nn.Module = module.load() if pretrained else module.{fresh}()
    network.num_classes = CLASSES
    return network
'''
_HUB = '''"""For torch.hub: {title}.

``torch.hub.load("this folder", "{name}", source="local")``; from a repository on GitHub with these
files ``torch.hub.load("owner/repository", "{name}")``. It needs model.py and model.safetensors
beside it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from torch import nn

dependencies = {needs}
HERE = Path(__file__).resolve().parent

{read}

def {name}(pretrained: bool = True) -> nn.Module:
    """Return the network for images {size}, trained or with fresh weights."""
    module = _model()
    network: nn.Module = module.load() if pretrained else module.{fresh}()
    return network
'''


@dataclass(frozen=True)
class Written:
    """A file for another library, and in a sentence what that library's format cannot say."""

    file: str
    note: str | None = None


def check_kinds(kinds: Sequence[str], formats: Sequence[str] | None) -> None:
    """Refuse a library that is not known, and files whose model.py is not written.

    Raises:
        ExportError: such a one.
    """
    for kind in kinds:
        if kind not in FILES:
            raise ExportError(
                f"--as is one or more of {', '.join(FILES)}, not `{kind}`"
                f"{modules.did_you_mean(kind, FILES)}"
            )
    if kinds and formats is not None and "source" not in formats:
        raise ExportError(
            f"--as {kinds[0]} builds on model.py: add `--format source`, or leave --format out"
        )


def write(kind: str, subject: Subject, path: Path, needs: Sequence[str]) -> Written:
    """Write the file of one library into a directory that holds model.py and its weights.

    Args:
        kind: ``timm``, ``hub`` or ``mmdet``.
        subject: what is exported.
        path: the directory.
        needs: the packages that model.py imports.
    """
    text, note = _WRITERS[kind](subject, path, needs)
    (path / FILES[kind]).write_text(text, encoding="utf-8")
    return Written(FILES[kind], note)


def ways(subject: Subject) -> dict[str, tuple[str, str]]:
    """Return, for the README, what each file needs and how it is used."""
    name = name_of(subject)
    return {
        FILES["timm"]: (
            "timm, and what model.py needs",
            f"import timm, timm_model\nmodel = timm.create_model('{name}', pretrained=True)",
        ),
        FILES["hub"]: (
            "what model.py needs",
            f"import torch\nmodel = torch.hub.load('.', '{name}', source='local')",
        ),
        FILES["mmdet"]: ("mmdetection 3; see its head for what it cannot say", "plugins = [...]"),
    }


def name_of(subject: Subject) -> str:
    """Return the name of a network as a Python identifier: ``resnet18_plugged_1a2b3c``."""
    host = "network" if subject.host is None else subject.host.source.model.rpartition(":")[2]
    plain = re.sub(r"\W+", "_", host.rpartition(".")[2]).strip("_").lower()
    return f"{plain}_plugged_{subject.id[:6]}"


def _title(subject: Subject) -> str:
    if subject.host is None:
        return f"the network {subject.id} of a search"
    plugs = ", ".join(p.text for p in subject.host.placements) or "no plugs"
    return f"{subject.host.trace.name} with {plugs}"


def common(subject: Subject) -> dict[str, object]:
    """Return what every template is filled with."""
    name = name_of(subject)
    return {
        "name": name,
        "fresh": "Network" if subject.host is None else "network",
        "title": _title(subject),
        "classes": len(subject.classes),
        "channels": subject.input_shape[0],
        "size": "x".join(map(str, subject.input_shape)),
        "read": _READ.strip("\n").format(name=name) + "\n",
    }


def _timm(subject: Subject, path: Path, needs: Sequence[str]) -> tuple[str, str | None]:
    note = (
        "timm's features_only, in_chans and num_classes are not for this network: its layers are "
        "those of its own constructor"
    )
    return _TIMM.format(**common(subject)), note


def _hub(subject: Subject, path: Path, needs: Sequence[str]) -> tuple[str, str | None]:
    packages = list(dict.fromkeys([*needs, "safetensors"]))
    return _HUB.format(**common(subject), needs=packages), None


def _mmdet(subject: Subject, path: Path, needs: Sequence[str]) -> tuple[str, str | None]:
    if subject.host is None:
        text = f'"""{_title(subject)}: mmdetection plugs into its own ResNet."""\n\nplugins = []\n'
        return text, "mmdetection's plugins stand in its own ResNet; a network of ours has none"
    source = (path / model_py.FILE).read_text(encoding="utf-8")
    return mmdet.snippet(subject.host.placements, source, _title(subject))


_WRITERS: dict[str, Callable[[Subject, Path, Sequence[str]], tuple[str, str | None]]] = {
    "timm": _timm,
    "hub": _hub,
    "mmdet": _mmdet,
}

__all__ = ["FILES", "Written", "check_kinds", "common", "name_of", "ways", "write"]
