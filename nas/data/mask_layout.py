"""Which mask belongs to which image, and to which part: read from the names of the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.layout import IMAGE_FOLDERS, MASK_FOLDERS, PART_NAMES
from plugnas.nas.data.source import PARTS

AUTO = "auto"
_ENDINGS = ("_mask", "-mask", "_masks", "_label", "_labels", "_gt", "_seg", "_l")
_LISTS = "imagesets/segmentation/"  # VOC's
_STRUCTURE = (
    "images and masks lie in two folders, such as images/ and masks/, under the same names; each "
    "may be divided into train/, val/ and test/ (VOC's and CamVid's layouts are known too)"
)


@dataclass(frozen=True)
class Pairs:
    """Images with their masks, both by name, and the part of each (an index into ``PARTS``)."""

    images: Sequence[str]
    masks: Sequence[str]
    parts: Sequence[int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """One file: its name, the folders that tell images apart, its stem, and its part's word.

    ``named`` says that it lies in a folder called as folders of images are.
    """

    name: str
    folders: tuple[str, ...]
    stem: str
    part: str | None
    named: bool = False

    @property
    def key(self) -> tuple[str | None, tuple[str, ...], str]:
        """What an image and its mask have in common."""
        return self.part, self.folders, self.stem

    @property
    def short_key(self) -> tuple[str | None, tuple[str, ...], str]:
        """The same without folders, for images and masks in folders of any name."""
        return self.part, (), self.stem


def pair(files: Sequence[str], texts: Mapping[str, str], masks: str, where: str) -> Pairs:
    """Return the images with their masks.

    Args:
        files: names of all image files, relative, with ``/``.
        texts: text files by name; VOC's lists of parts are among them.
        masks: name of the folder of masks; ``auto``: one of the usual names.
        where: the source, for errors.

    Raises:
        DataError: no masks, an image without one, or an empty part.
    """
    wanted = frozenset({masks.lower()}) if masks != AUTO else MASK_FOLDERS
    images, found = _sorted_out(files, wanted)
    if not found:
        named = "a folder of one of the usual names (masks, labels, annotations, ...)"
        raise DataError(
            f"{where} holds no masks in {named if masks == AUTO else f'a folder `{masks}`'}: "
            f"{_STRUCTURE}; `data.masks` names the folder of masks"
        )
    if not images:
        raise DataError(f"{where} holds masks and no images beside them: {_STRUCTURE}")
    lists = _lists(texts)
    beside = [image for image in images if image.named]
    images, strays = (beside, len(images) - len(beside)) if beside else (images, 0)
    if lists:
        images = _listed(images, lists, where)
        found = [_File(m.name, m.folders, m.stem, None) for m in found]
    partner = _partners(images, found, with_part=not lists)
    lacking = [image.name for image in images if partner[image.name] is None]
    if lacking:
        raise DataError(
            f"{len(lacking)} of {len(images)} images of {where} have no mask ({_some(lacking)}); a "
            "mask has the name of its image, in the folder of masks; add them, or remove the images"
        )
    used = Counter(str(mask) for mask in partner.values())
    shared = [name for name, count in used.items() if count > 1]
    if shared:
        raise DataError(
            f"{where}: the mask {shared[0]} would belong to {used[shared[0]]} images; give each "
            "image a name of its own"
        )
    left = len(found) - len(used)
    notes = [f"{left} masks without an image were left out"] if left and not lists else []
    if strays and not lists:
        notes.append(f"{strays} images outside the folder of images were left out")
    parts = [PARTS.index(PART_NAMES[image.part]) if image.part else 0 for image in images]
    if 0 not in parts:
        raise DataError(f"{where} has no image to train on: put some into train/")
    return Pairs(
        [image.name for image in images],
        [str(partner[image.name]) for image in images],
        parts,
        tuple(notes),
    )


def _sorted_out(files: Sequence[str], wanted: frozenset[str]) -> tuple[list[_File], list[_File]]:
    """Return the images and the masks among the files."""
    images: list[_File] = []
    masks: list[_File] = []
    for name in files:
        *folders, last = name.split("/")
        lower = [folder.lower() for folder in folders]
        stem = last.rpartition(".")[0]
        annotated = [i for i, folder in enumerate(lower) if _annotated(folder)]
        if annotated:  # CamVid's trainannot, valannot, testannot
            lower[annotated[0]] = lower[annotated[0]].removesuffix("annot")
        is_mask = bool(annotated) or any(folder in wanted for folder in lower)
        part = next((folder for folder in lower if folder in PART_NAMES), None)
        dropped = wanted | IMAGE_FOLDERS | set(PART_NAMES)
        kept = tuple(folder for folder in lower if folder not in dropped)
        named = any(folder in IMAGE_FOLDERS for folder in lower)
        (masks if is_mask else images).append(_File(name, kept, stem, part, named))
    return images, masks


def _annotated(folder: str) -> bool:
    return folder.endswith("annot") and folder.removesuffix("annot") in PART_NAMES


def _partners(
    images: Sequence[_File], masks: Sequence[_File], *, with_part: bool
) -> dict[str, str | None]:
    """Return the mask of each image: of the same folders and name, or of the same name alone."""
    full: dict[object, str] = {}
    short: dict[object, list[str]] = {}
    for mask in masks:
        for stem in _stems(mask.stem):
            same = _File(mask.name, mask.folders, stem, mask.part if with_part else None)
            full.setdefault(same.key, mask.name)
            short.setdefault(same.short_key, []).append(mask.name)
    found: dict[str, str | None] = {}
    for image in images:
        own = image if with_part else _File(image.name, image.folders, image.stem, None)
        alone = short.get(own.short_key, [])
        found[image.name] = full.get(own.key) or (alone[0] if len(alone) == 1 else None)
    return found


def _stems(stem: str) -> list[str]:
    """Return the names of images to which a mask of this name may belong."""
    endings = (e for e in _ENDINGS if stem.lower().endswith(e))
    return [stem, *(stem[: -len(ending)] for ending in endings)]


def _lists(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the stems that VOC's lists name, by the list's own name."""
    found: dict[str, list[str]] = {}
    for name, text in texts.items():
        at = name.lower().find(_LISTS)
        word = name[at + len(_LISTS) :].lower().removesuffix(".txt")
        if at >= 0 and "/" not in word and (word in PART_NAMES or word == "trainval"):
            found[word] = [line.split()[0] for line in text.splitlines() if line.strip()]
    if {"train", "val"} & found.keys():
        found.pop("trainval", None)
    return found


def _listed(images: Sequence[_File], lists: Mapping[str, Sequence[str]], where: str) -> list[_File]:
    """Return the images that the lists name, each in its list's part."""
    by_stem = {image.stem: image for image in images}
    found = []
    for word, stems in lists.items():
        missing = [stem for stem in stems if stem not in by_stem]
        if not stems or missing:
            what = f"names {_some(missing)}, of which there is no image" if stems else "is empty"
            raise DataError(
                f"ImageSets/Segmentation/{word}.txt of {where} {what}; correct or remove the list"
            )
        part = "train" if word == "trainval" else word
        found += [_File(by_stem[s].name, by_stem[s].folders, s, part) for s in dict.fromkeys(stems)]
    again = [name for name, count in Counter(f.name for f in found).items() if count > 1]
    if again:
        raise DataError(
            f"the lists in ImageSets/Segmentation of {where} put {_some(again)} into two parts; an "
            "image is in one of train, val and test"
        )
    return sorted(found, key=lambda file: file.name)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


__all__ = ["AUTO", "Pairs", "pair"]
