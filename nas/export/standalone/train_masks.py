"""Train the network of model.py from scratch: images with masks in, weights out.

    python train.py IMAGES --out weights.pt

IMAGES holds the folders ``images`` and ``masks`` with files of the same names; each may be divided
into ``train`` and ``val`` (or ``test``) folders, without which every fifth image is held out. A
mask holds a number for each pixel: that of its class in model.CLASSES, counted from 0, or where
the classes are called by numbers, that number; every other value counts nowhere. Images are read
by ``pixels.py``, as the search read them. Needs torch, numpy and Pillow.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import model
import numpy as np
import torch
from PIL import Image
from pixels import resized, to_bytes
from torch import Tensor, nn
from torch.nn import functional as F

# The recipe: one cycle of the learning rate, SGD with Nesterov's momentum.
EPOCHS = 30
BATCH_SIZE = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.0
DICE = False  # whether 1 - the mean soft Dice is added to the cross-entropy
AUXILIARY = 0.0  # weight of the loss of auxiliary outputs; 0: they are not trained
# The weight of each class in the cross-entropy; None: all are 1.
CLASS_WEIGHTS = None
HEIGHT = model.INPUT_SHAPE[1]  # pixels of the images to train on
WIDTH = model.INPUT_SHAPE[2]
RESIZE = "crop"  # how images of another size become this one: crop, pad or stretch
SHIFT = 1  # largest random shift in pixels
MIRROR = False  # whether a mirrored image is one of its kind
ZOOM = 0.0  # largest random zoom
SEED = 0

IGNORED = 255
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
    ".pbm", ".pnm",
}  # fmt: skip
HELD_OUT = ("val", "valid", "validation", "test", "testing")
log = logging.getLogger("train")


def numbers() -> dict[int, int]:
    """Return the class of each value in a mask."""
    if all(name.isdecimal() for name in model.CLASSES):
        return {int(name): label for label, name in enumerate(model.CLASSES)}
    return {label: label for label in range(len(model.CLASSES))}


def read_pair(image: Path, mask: Path) -> tuple[Tensor, Tensor]:
    """Return an image as uint8 (C, H, W) and its labels, uint8 (H, W), at the recipe's size."""
    with Image.open(image) as file:
        grey = model.INPUT_SHAPE[0] == 1
        pixels = to_bytes(file, (HEIGHT, WIDTH), grey=grey, mode=RESIZE)
    with Image.open(mask) as file:
        if file.mode not in ("1", "L", "P"):
            raise SystemExit(f"{mask} holds colours ({file.mode}); a mask holds a number per pixel")
        values = np.asarray(file).astype(np.uint8)
    table = np.full(256, IGNORED, np.uint8)
    for value, label in numbers().items():
        table[value] = label
    found = Image.fromarray(table[values])
    labels = np.array(resized(found, (HEIGHT, WIDTH), RESIZE, nearest=True, fill=IGNORED))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1), torch.from_numpy(labels)


def files_of(folder: Path) -> dict[str, Path]:
    """Return the image files below a folder by their path without suffix."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def read_data(folder: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images and masks to train on, and those that are held out."""
    if model.INPUT_SHAPE[0] not in (1, 3):
        raise SystemExit(
            f"the network takes {model.INPUT_SHAPE[0]} channels, which image files do not have"
        )
    images, masks = files_of(folder / "images"), files_of(folder / "masks")
    if not images:
        raise SystemExit(f"{folder} holds no images in a folder `images`, with `masks` beside it")
    if missing := sorted(set(images) - set(masks)):
        raise SystemExit(f"{len(missing)} images have no mask, such as {missing[0]}")
    divided = any(name.partition("/")[0] == "train" for name in images)
    out = [
        name.partition("/")[0] in HELD_OUT if divided else number % 5 == 4
        for number, name in enumerate(images)
    ]
    if all(out) or not any(out):
        raise SystemExit(f"{folder} leaves no image to train on, or none to hold out")
    pairs = [read_pair(path, masks[name]) for name, path in images.items()]
    held = torch.tensor(out)
    x, y = torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])
    return x[~held], y[~held], x[held], y[held]


def normalised(images: Tensor) -> Tensor:
    """Return images of 0 to 255 as the network takes them."""
    mean, std = (
        torch.tensor(v, device=images.device)[:, None, None] for v in (model.MEAN, model.STD)
    )
    return (images / 255 - mean) / std


def moved(maps: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Return maps (B, C, H, W) read at the places of a grid; outside they are 0."""
    return F.grid_sample(maps.float(), grid, mode=mode, align_corners=False)


def places(count: int, generator: torch.Generator) -> Tensor:
    """Return where each image of a batch is read: shifted, perhaps mirrored, zoomed."""
    shift = torch.randint(-SHIFT, SHIFT + 1, (count, 2), generator=generator)
    zoom = (1 + ZOOM) ** (2 * torch.rand(count, generator=generator) - 1)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5 * MIRROR, -1.0, 1.0)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = flip / zoom, 1 / zoom
    affine[:, :, 2] = 2 * shift / torch.tensor([WIDTH, HEIGHT])
    return F.affine_grid(affine, [count, 1, HEIGHT, WIDTH], align_corners=False)


def batches(
    images: Tensor, masks: Tensor, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled batches, image and mask moved alike; outside counts nowhere."""
    order = torch.randperm(len(images), generator=generator)
    for rows in order.tensor_split(max(1, round(len(images) / BATCH_SIZE))):
        grid = places(len(rows), generator)
        known = (IGNORED - masks[rows])[:, None]  # so that what comes in as 0 is ignored
        labels = IGNORED - moved(known, grid, "nearest")[:, 0].long()
        yield moved(images[rows], grid, "bilinear"), labels


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


def fitted(maps: Tensor, size: torch.Size) -> Tensor:
    """Return maps (B, K, h, w) at another size (H, W)."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """Return the network's logits at the size of the images."""
    found = network(normalised(images))
    return fitted(found["out"] if isinstance(found, dict) else found, images.shape[-2:])


def watched(network: nn.Module) -> list[Tensor]:
    """Return the list to which auxiliary maps come when the network computes in training mode.

    A module names the submodule that makes them by its attribute ``auxiliary``.
    """
    taken: list[Tensor] = []

    def take(module: nn.Module, args: object, output: Tensor) -> None:
        if module.training:
            taken.append(output)

    for module in list(network.modules()) if AUXILIARY else ():
        name = getattr(type(module), "auxiliary", None)
        if isinstance(name, str):
            module.get_submodule(name).register_forward_hook(take)
    return taken


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of maps (B, K, h, w) against the class of each pixel (B, H, W)."""
    logits, known = fitted(logits, labels.shape[-2:]), labels != IGNORED
    weights = None if CLASS_WEIGHTS is None else logits.new_tensor(CLASS_WEIGHTS)
    losses = F.cross_entropy(
        logits, labels, weights, ignore_index=IGNORED,
        label_smoothing=LABEL_SMOOTHING, reduction="sum",
    )  # fmt: skip
    weight = known.sum() if weights is None else weights[labels[known]].sum()
    loss = losses / weight.clamp(min=1e-6)
    return loss + dice_loss(logits, labels) if DICE else loss


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - the mean over the batch's classes of 2 sum(p y) / (sum(p) + sum(y))."""
    known = (labels != IGNORED)[:, None]
    shares = logits.softmax(1) * known
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    truth = (labels[:, None] == classes) & known
    each = (shares.sum((0, 2, 3)) + truth.sum((0, 2, 3))).clamp(min=1e-6)
    dice, there = 2 * (shares * truth).sum((0, 2, 3)) / each, truth.any(3).any(2).any(0)
    return 1 - (dice * there).sum() / there.sum().clamp(min=1)


def whole_loss(found: Tensor | dict[str, Tensor], taken: list[Tensor], labels: Tensor) -> Tensor:
    """Return the loss of the answer and, by their weight, of the auxiliary outputs.

    Of one with more channels than classes the first are taught the classes; one with fewer is not.

    Args:
        found: what the network returned: maps, or a dict with them as ``out``.
        taken: auxiliary maps that were watched; is emptied.
        labels: the class of each pixel (B, H, W).
    """
    others = {"out": found} if isinstance(found, Tensor) else dict(found)
    answer = others.pop("out")
    loss = loss_of(answer, labels)
    for maps in (*others.values(), *taken) if AUXILIARY else ():
        if maps.shape[1] >= answer.shape[1]:
            loss = loss + AUXILIARY * loss_of(maps[:, : answer.shape[1]], labels)
    taken.clear()
    return loss


@torch.no_grad()
def miou(network: nn.Module, images: Tensor, masks: Tensor, device: torch.device) -> float:
    """Return the mean IoU over the classes, of all pixels taken together.

    Args:
        network: the network.
        images: uint8 (N, C, H, W).
        masks: the class of each pixel (N, H, W).
        device: where it runs.
    """
    network.eval()
    classes = len(model.CLASSES)
    matrix = torch.zeros(classes, classes, dtype=torch.float64)
    for x, y in zip(images.split(16), masks.split(16), strict=True):
        guess, truth = logits_of(network, x.to(device)).argmax(1).cpu(), y.long()
        known = truth != IGNORED
        places = truth[known] * classes + guess[known]
        matrix += torch.bincount(places, minlength=classes**2).view(classes, classes)
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    return float((matrix.diagonal()[union > 0] / union[union > 0]).mean())


def main() -> None:
    """Train, report each epoch, save the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="folder with images/ and masks/")
    parser.add_argument("--out", type=Path, default=Path("weights.pt"), help="where weights go")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(SEED)
    generator, device = torch.Generator().manual_seed(SEED), torch.device(args.device)
    images, masks, held_images, held_masks = read_data(args.images)
    log.info("%d images to train on, %d held out", len(masks), len(held_masks))
    network = model.Network().to(device)
    optimiser, taken = optimiser_of(network), watched(network)
    total, step = args.epochs * max(1, round(len(masks) / BATCH_SIZE)), 0
    for epoch in range(1, args.epochs + 1):
        network.train()
        for x, y in batches(images, masks, generator):
            share = step / total  # the rate rises for a quarter of all steps, then falls to 0
            rate = LEARNING_RATE * min(4 * (step + 1) / total, (1 - share) / 0.75, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = whole_loss(network(normalised(x.to(device))), taken, y.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
        found = miou(network, held_images, held_masks, device)
        log.info("epoch %d of %d: held-out miou %.4f", epoch, args.epochs, found)
    torch.save({name: t.cpu() for name, t in network.state_dict().items()}, args.out)
    log.info("wrote %s; read it by Network().load_state_dict(torch.load(...))", args.out)


if __name__ == "__main__":
    main()
