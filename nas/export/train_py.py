"""``train.py``: the stand-alone training script, with the run's long recipe written into it.

Beside it lie copies of the search's own reader of images, so that both see the same pixels, and
of what mixes and erases them. The two scripts, for classes and for masks, have a few short
functions in common on purpose: what is exported is one script that is read from top to bottom.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from plugnas.nas.data import pixels
from plugnas.nas.export.expressions import constant, literal
from plugnas.nas.export.subject import Subject
from plugnas.nas.proxy import mixing
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.tasks.classification import Classification
from plugnas.nas.tasks.segmentation import Segmentation

FILE = "train.py"
READER = "pixels.py"
MIXING = "mixing.py"
_CONSTANTS = {
    "EPOCHS": "epochs",
    "BATCH_SIZE": "batch_size",
    "LEARNING_RATE": "learning_rate",
    "MOMENTUM": "momentum",
    "WEIGHT_DECAY": "weight_decay",
    "LABEL_SMOOTHING": "label_smoothing",
    "HEIGHT": "height",
    "WIDTH": "width",
    "SHIFT": "shift",
    "MIRROR": "mirror",
    "ZOOM": "zoom",
    "RESIZE": "resize",
    "MIXUP": "mixup",
    "ERASING": "erasing",
}
_LEFT_OUT = ("schedule", "warmup", "clip", "freeze", "host_learning_rate", "plugs_first")

LAYOUTS = {
    False: "IMAGES holds a folder of images per class, named as the classes above.",
    True: "IMAGES holds images/ and masks/ with files of the same names, perhaps in train/ and "
    "val/; a mask holds the class's number above for each pixel, any other number counts nowhere.",
}
"""How the images lie of which ``train.py`` learns: with a class each, or with masks."""

# A host with its plugs is trained on from the exported weights.
_OF_A_HOST = {
    "Train the network of model.py from scratch": "Train the network of model.py further",
    "model.Network()": "model.trained()",
    "read it by Network()": "read it by network()",
}


def write(subject: Subject, directory: Path) -> list[str]:
    """Write train.py beside model.py, with what it imports; return the names of the files.

    Images with masks are neither mixed nor erased, there and in the search.
    """
    script = "train_masks.py" if subject.dense else "train.py"
    text = (Path(__file__).parent / "standalone" / script).read_text(encoding="utf-8")
    for name, field in _CONSTANTS.items():
        if field in subject.provenance.recipe:
            value = literal(subject.provenance.recipe[field])
            text = re.sub(rf"^{name} = [^ \n]+", f"{name} = {value}", text, flags=re.M)
    for name, values in _of_loss(subject).items():
        text = re.sub(rf"^{name} = [^ \n]+", _line(name, values), text, flags=re.M)
    if subject.host is not None:
        for before, after in _OF_A_HOST.items():
            text = text.replace(before, after)
    (directory / FILE).write_text(text, encoding="utf-8")
    copies = {READER: pixels} if subject.dense else {READER: pixels, MIXING: mixing}
    for name, module in copies.items():
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        (directory / name).write_text(source, encoding="utf-8")
    return [FILE, *copies]


def left_out(subject: Subject) -> list[str]:
    """Return the names of what the recipe asks for and the script does not do."""
    recipe, plain = subject.provenance.recipe, Recipe()
    names = _LEFT_OUT if subject.dense else (*_LEFT_OUT, "zoom")
    return [n for n in names if n in recipe and recipe[n] != getattr(plain, n)]


def other_loss(subject: Subject) -> str | None:
    """Return the task whose loss the script does not have, None where it trains by the run's."""
    task = subject.task
    if task is None or type(task) in (Classification, Segmentation):
        return None
    return type(task).__name__


def _of_loss(subject: Subject) -> dict[str, Any]:
    """Return the script's constants that make its loss the one of the run's task."""
    task = subject.task
    found: dict[str, Any] = {}
    if isinstance(task, Classification | Segmentation) and task.weights is not None:
        found["CLASS_WEIGHTS"] = tuple(float(f"{w:.7g}") for w in task.weights.tolist())
    if isinstance(task, Segmentation):
        found |= {"DICE": task.with_dice, "AUXILIARY": task.auxiliary}
    return found


def _line(name: str, value: Any) -> str:
    return constant(name, value) if isinstance(value, tuple) else f"{name} = {value}"
