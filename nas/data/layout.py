"""Reading class and part of each image from its path below the source."""

from __future__ import annotations

from collections.abc import Sequence

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.source import PARTS, Listing

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
IMAGE_FOLDERS = frozenset({"images", "image", "imgs", "img", "jpegimages", "frames", "photos"})
MASK_FOLDERS = frozenset(
    {
        "masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "gt",
        "segmentation", "segmentations", "segmentationclass", "segmentationclasspng",
    }
)  # fmt: skip
_IGNORED_FOLDERS = frozenset({"__MACOSX"})
_STRUCTURE = "an image source has one folder per class, or train/ and test/ folders holding these"


def is_image(path: str) -> bool:
    """Whether a relative path with ``/`` names an image that is not hidden."""
    parts = path.split("/")
    hidden = any(part.startswith(".") or part in _IGNORED_FOLDERS for part in parts)
    stem, dot, suffix = parts[-1].rpartition(".")
    return not hidden and bool(dot and stem) and f".{suffix.lower()}" in SUFFIXES


def read_layout(paths: Sequence[str], empty: Sequence[str], where: str) -> Listing:
    """Return the listing that the image ``paths`` (relative, ``/``) spell.

    ``empty`` are class folders, relative, without an image. Raises DataError for what is no
    classification.
    """
    if not paths:
        raise DataError(
            f"{where} holds no image; {_STRUCTURE}, with files ending in {', '.join(_some())}"
        )
    split = [path.split("/") for path in paths]
    wrappers = _wrappers(split)
    split = [parts[wrappers:] for parts in split]
    empty = ["/".join(folder.split("/")[wrappers:]) for folder in empty]
    has_parts = _has_parts(split)
    depth = 2 if has_parts else 1
    placed = [
        (parts, path)
        for parts, path in zip(split, paths, strict=True)
        if len(parts) > depth and (not has_parts or parts[0].lower() in PART_NAMES)
    ]
    if not placed:
        raise DataError(f"the images of {where} lie in no class folder; {_STRUCTURE}")
    placed.sort(key=lambda pair: pair[1])
    listing = _listing(placed, has_parts=has_parts, strays=len(paths) - len(placed))
    _check_classes(listing, empty, where, has_parts=has_parts)
    return listing


def _some() -> list[str]:
    return [".jpg", ".png", ".webp", ".bmp", ".tif"]


def _wrappers(split: Sequence[list[str]]) -> int:
    """Count the leading folders that only wrap the rest, as archives have them."""
    count = 0
    while all(len(parts) > count + 2 for parts in split):
        heads = {parts[count] for parts in split}
        if len(heads) > 1:
            break
        count += 1
    return count


def _has_parts(split: Sequence[list[str]]) -> bool:
    heads = {PART_NAMES.get(parts[0].lower()) for parts in split if len(parts) > 2}
    return "train" in heads and len(heads - {None, "train"}) > 0


def _listing(placed: Sequence[tuple[list[str], str]], *, has_parts: bool, strays: int) -> Listing:
    at = 1 if has_parts else 0
    classes = sorted({parts[at] for parts, _ in placed})
    index = {name: i for i, name in enumerate(classes)}
    notes = (f"{strays} images outside every class folder were left out",) if strays else ()
    return Listing(
        names=[path for _, path in placed],
        labels=[index[parts[at]] for parts, _ in placed],
        parts=[
            PARTS.index(PART_NAMES[parts[0].lower()]) if has_parts else 0 for parts, _ in placed
        ],
        classes=tuple(classes),
        notes=notes,
    )


def _check_classes(listing: Listing, empty: Sequence[str], where: str, *, has_parts: bool) -> None:
    if len(listing.classes) < 2:
        raise DataError(
            f"{where} holds one class (`{listing.classes[0]}`) and a classification needs two; "
            f"{_STRUCTURE}"
        )
    folders = {name.lower() for name in listing.classes}
    if len(folders) == 2 and folders & MASK_FOLDERS and folders & IMAGE_FOLDERS:
        raise DataError(
            f"{where} holds {_names(listing.classes)}: images with masks, and no two classes; say "
            "`task: segmentation`, or rename the folders if they are classes"
        )
    taught = {
        listing.classes[c] for c, p in zip(listing.labels, listing.parts, strict=True) if not p
    }
    untaught = [name for name in listing.classes if name not in taught]
    if untaught:
        raise DataError(
            f"{_names(untaught)} of {where} has images to test but none to train on; "
            "add some, or remove the folder"
        )
    depth = 2 if has_parts else 1
    bare = [folder for folder in empty if len(folder.split("/")) == depth and folder]
    bare = [folder for folder in bare if folder.split("/")[-1] not in taught]
    if bare:
        raise DataError(
            f"class folder {_names(bare)} of {where} holds no image; add some, or remove the folder"
        )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
