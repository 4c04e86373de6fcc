"""The export as a folder that huggingface_hub and timm read: config.json, a class, a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from plugnas.nas.export import elsewhere
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Subject

FILE, CONFIG = "hub_model.py", "config.json"
LICENCE = "apache-2.0"

_TEXT = '''"""For huggingface_hub: {title}.

``Model.from_pretrained("this folder")``, or of a repository with these files its name; and
``model.save_pretrained("copy")``. It needs huggingface_hub, safetensors, what model.py needs, and
model.py beside it. The network is in training form; ``model.py`` knows its deploy form.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from torch import nn

HERE = Path(__file__).resolve().parent

{read}

class Model(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="pytorch",
    license="{licence}",
    pipeline_tag="{purpose}",
):
    """The network; its weights have the names that model.safetensors gives them."""

    def __init__(self, architecture: str = "{name}", num_classes: int = {classes}) -> None:
        super().__init__()
        if (architecture, num_classes) != ("{name}", {classes}):
            raise ValueError(
                f"this file holds {name} with {classes} classes, not {{architecture}} with "
                f"{{num_classes}}"
            )
        module = _model()
        self.network = module.{fresh}()
        self.answer = {answer}

    def forward(self, images: Any) -> Any:
        """Return logits of images {size}."""
        return self.answer(images)

    def state_dict(self, *given: Any, **named: Any) -> Any:
        """Return the network's own weights, without a prefix."""
        return self.network.state_dict(*given, **named)

    def load_state_dict(self, state: Mapping[str, Any], *given: Any, **named: Any) -> Any:
        """Take the network's own weights."""
        return self.network.load_state_dict(state, *given, **named)
'''


def check_options(*, preprocessing: bool) -> None:
    """Refuse what the folder cannot hold.

    Raises:
        ExportError: images as bytes are asked for.
    """
    if preprocessing:
        raise ExportError(
            "--format hub holds the bare network, whose config.json says mean and std; leave out "
            "--with-preprocessing"
        )


def write(subject: Subject, directory: Path) -> list[str]:
    """Write config.json and hub_model.py beside model.py; return their names."""
    config = {
        "architecture": elsewhere.name_of(subject),
        "num_classes": len(subject.classes),
        "pretrained_cfg": {
            "input_size": list(subject.input_shape),
            "fixed_input_size": True,
            "mean": list(subject.mean),
            "std": list(subject.std),
            "num_classes": len(subject.classes),
            "label_names": list(subject.classes),
            "license": LICENCE,
        },
    }
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
    values = elsewhere.common(subject)
    answer = "module.Answer(self.network)" if subject.returns_dict else "self.network"
    text = _TEXT.format(**values, licence=LICENCE, purpose=_purpose(subject), answer=answer)
    (directory / FILE).write_text(text, encoding="utf-8")
    return [CONFIG, FILE]


def front_matter(subject: Subject) -> str:
    """Return the model card's head: licence, task, metrics with how they were got."""
    p = subject.provenance
    how = f"{p.metric} on {p.measured_on}, weights of seed {p.seed}: {p.note}"
    if p.mean is not None and p.n > 1:
        how += f"; over {p.n} seeds {p.mean:.4f} on average"
    result: dict[str, Any] = {
        "task": {"type": _purpose(subject)},
        "dataset": {"type": "image", "name": subject.data or "the images of the search"},
        "metrics": [{"type": p.metric, "value": p.value, "name": how}],
    }
    card = {
        "license": LICENCE,
        "library_name": "pytorch",
        "pipeline_tag": _purpose(subject),
        "tags": ["model_hub_mixin", "pytorch_model_hub_mixin", "timm", "plugnas"],
        "metrics": [p.metric],
        "model-index": [{"name": elsewhere.name_of(subject), "results": [result]}],
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---"


def _purpose(subject: Subject) -> str:
    return "image-segmentation" if subject.dense else "image-classification"


__all__ = ["CONFIG", "FILE", "check_options", "front_matter", "write"]
