"""Train the network of model.py from scratch: a folder of images in, weights out.

    python train.py IMAGES --out weights.pt

IMAGES holds a folder per class, or ``train`` and ``val`` (or ``test``) folders of class folders;
without them a fifth of each class is held out. Images are read by ``pixels.py``, as the search
read them, and mixed and erased by ``mixing.py``, as the search did. Needs torch, numpy and Pillow.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import model
import torch
from mixing import Mixed, draw_boxes, draw_shares, erase, mix
from PIL import Image
from pixels import to_bytes
from torch import Tensor, nn
from torch.nn import functional as F

# The recipe: one cycle of the learning rate, SGD with Nesterov's momentum.
EPOCHS = 30
BATCH_SIZE = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.0
# The weight of each class in the loss; None: all are 1.
CLASS_WEIGHTS = None
HEIGHT = model.INPUT_SHAPE[1]  # pixels of the images to train on
WIDTH = model.INPUT_SHAPE[2]
RESIZE = "crop"  # how images of another size become this one: crop, pad or stretch
SHIFT = 1  # largest random shift in pixels
MIRROR = False  # whether a mirrored image keeps its class
MIXUP = 0.0  # images are mixed in pairs by shares from Beta(MIXUP, MIXUP); 0: none are
ERASING = 0.0  # probability with which a rectangle of an image is erased
SEED = 0

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
    ".pbm", ".pnm",
}  # fmt: skip
PARTS = {
    "train": ("train", "training"),
    "held out": ("val", "valid", "validation", "test", "testing"),
}
log = logging.getLogger("train")


def read_image(path: Path) -> Tensor:
    """Return an image as uint8 (C, H, W) at the recipe's size."""
    with Image.open(path) as file:
        grey = model.INPUT_SHAPE[0] == 1
        pixels = to_bytes(file, (HEIGHT, WIDTH), grey=grey, mode=RESIZE)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def files_of(folder: Path) -> list[Path]:
    """Return the images below a folder, without hidden ones and those of __MACOSX."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(p.startswith(".") or p == "__MACOSX" for p in path.relative_to(folder).parts)
    )


def read_folder(folder: Path, *, every_class: bool) -> tuple[Tensor, Tensor]:
    """Read a folder per class, named as in model.CLASSES: uint8 images and their labels."""
    images: list[Tensor] = []
    labels: list[int] = []
    for label, name in enumerate(model.CLASSES):
        before = len(images)
        for path in files_of(folder / name):
            try:
                images.append(read_image(path))
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                log.warning("%s is broken and left out: %s", path, error)
        labels += [label] * (len(images) - before)
        if every_class and len(images) == before:
            raise SystemExit(
                f"{folder} has no image in a folder named `{name}`, and the network tells apart "
                f"{', '.join(model.CLASSES)}; add some"
            )
    others = {path.name for path in folder.iterdir() if path.is_dir()} - set(model.CLASSES)
    if unknown := sorted(name for name in others if not name.startswith((".", "__"))):
        log.warning("left out, for they are no classes of the network: %s", ", ".join(unknown))
    if not images:
        raise SystemExit(f"{folder} has no images in folders named {', '.join(model.CLASSES)}")
    return torch.stack(images), torch.tensor(labels)


def part_of(folder: Path, part: str) -> Path | None:
    """Return the folder of a part, if there is one."""
    found = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_dir()}
    return next((found[name] for name in PARTS[part] if name in found), None)


def read_data(folder: Path, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images and labels to train on, and those that are held out."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} is no folder; give one with a folder of images per class")
    if model.INPUT_SHAPE[0] not in (1, 3):
        raise SystemExit(
            f"the network takes {model.INPUT_SHAPE[0]} channels, which image files do not have"
        )
    train, held_out = part_of(folder, "train"), part_of(folder, "held out")
    if train is not None and held_out is not None:
        held = read_folder(held_out, every_class=False)
        return *read_folder(train, every_class=True), *held
    images, labels = read_folder(folder, every_class=True)
    order = torch.randperm(len(labels), generator=generator)
    rank = torch.zeros_like(labels)
    for label in labels.unique():  # by class in proportion
        own = order[labels[order] == label]
        rank[own] = torch.arange(len(own))
    out = rank % 5 == 4
    return images[~out], labels[~out], images[out], labels[out]


def normalised(images: Tensor) -> Tensor:
    """Return uint8 images as the network takes them."""
    mean, std = (
        torch.tensor(v, device=images.device)[:, None, None] for v in (model.MEAN, model.STD)
    )
    return (images / 255 - mean) / std


def batches(
    images: Tensor, labels: Tensor, generator: torch.Generator, device: torch.device
) -> Iterator[tuple[Tensor, Tensor | Mixed]]:
    """Yield one epoch of shuffled batches, as the network takes them.

    Each image is shifted over black, perhaps mirrored, perhaps erased in part, and perhaps mixed
    with another; the labels are then those of both.

    Args:
        images: uint8 (N, C, H, W).
        labels: the class of each (N,).
        generator: of all random numbers.
        device: where the batches go.
    """
    count, _, height, width = images.shape
    padded = F.pad(images, (SHIFT,) * 4)
    order = torch.randperm(count, generator=generator)
    for rows in order.tensor_split(max(1, round(count / BATCH_SIZE))):
        down, right = torch.randint(0, 2 * SHIFT + 1, (2, len(rows)), generator=generator)
        mirrored = torch.rand(len(rows), generator=generator) < 0.5
        batch = torch.stack(
            [
                padded[i, :, d : d + height, r : r + width].flip(-1)
                if MIRROR and m
                else padded[i, :, d : d + height, r : r + width]
                for i, d, r, m in zip(rows, down, right, mirrored, strict=True)
            ]
        )
        x, y = normalised(batch.to(device)), labels[rows].to(device)
        if ERASING:
            x = erase(x, draw_boxes(ERASING, len(rows), generator))
        yield mix(x, y, draw_shares(MIXUP, 1, generator)[0]) if MIXUP else (x, y)


def loss_of(logits: Tensor, labels: Tensor | Mixed) -> Tensor:
    """Return the cross-entropy; of mixed images that of both labels, by their shares."""
    if isinstance(labels, Mixed):
        own, other = loss_of(logits, labels.own), loss_of(logits, labels.other)
        return labels.share * own + (1 - labels.share) * other
    weights = None if CLASS_WEIGHTS is None else logits.new_tensor(CLASS_WEIGHTS)
    return F.cross_entropy(logits, labels, weights, label_smoothing=LABEL_SMOOTHING)


def optimiser_of(network: nn.Module) -> torch.optim.SGD:
    """SGD; biases, norms and other vectors do not decay."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterov=MOMENTUM > 0,
    )


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor, device: torch.device) -> float:
    """Return the share of images whose class is found.

    Args:
        network: the network.
        images: uint8 (N, C, H, W).
        labels: the class of each (N,).
        device: where it runs.
    """
    network.eval()
    found = 0
    for x, y in zip(images.split(256), labels.split(256), strict=True):
        found += int((network(normalised(x.to(device))).argmax(1).cpu() == y).sum())
    return found / len(labels)


def main() -> None:
    """Train, report each epoch, save the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="folder of images, a folder per class")
    parser.add_argument("--out", type=Path, default=Path("weights.pt"), help="where weights go")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(SEED)
    generator, device = torch.Generator().manual_seed(SEED), torch.device(args.device)
    images, labels, held_images, held_labels = read_data(args.images, generator)
    log.info("%d images to train on, %d held out", len(labels), len(held_labels))
    network = model.Network().to(device)
    optimiser = optimiser_of(network)
    total, step = args.epochs * max(1, round(len(labels) / BATCH_SIZE)), 0
    for epoch in range(1, args.epochs + 1):
        network.train()
        for x, y in batches(images, labels, generator, device):
            share = step / total  # the rate rises for a quarter of all steps, then falls to 0
            rate = LEARNING_RATE * min(4 * (step + 1) / total, (1 - share) / 0.75, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = loss_of(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
        found = accuracy(network, held_images, held_labels, device)
        log.info("epoch %d of %d: held-out accuracy %.4f", epoch, args.epochs, found)
    torch.save({name: t.cpu() for name, t in network.state_dict().items()}, args.out)
    log.info("wrote %s; read it by Network().load_state_dict(torch.load(...))", args.out)


if __name__ == "__main__":
    main()
