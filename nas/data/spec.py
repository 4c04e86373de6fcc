"""What a job says about its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from plugnas.nas.data.errors import DataError
from plugnas.nas.machine.reading import Part, Positive, Probability, Seed
from plugnas.space.typed import ConfigError, check_types, convert

Several = Annotated[int, msgspec.Meta(ge=2, lt=2**31)]
Held = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""A share of the images that cannot be 0, as the search ranks by it."""


class Resize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images of any size become one size.

    ``crop`` keeps the aspect: an image is scaled until it covers the size, and cropped around the
    centre. ``pad`` keeps the aspect and all of the image: it is scaled until it just fits, and lies
    in the middle of black, which counts nowhere in masks. ``stretch`` keeps all of the image and
    changes its aspect. Images are scaled bilinearly with antialiasing, masks to the nearest label.
    """

    size: int | tuple[int, int]
    """Side, or [height, width], in pixels."""
    mode: Literal["crop", "pad", "stretch"] = "crop"
    """`crop` loses what is outside the centre, `pad` adds black, `stretch` changes the aspect."""


class DataSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``data:`` section of a job.

    ``source`` is ``digits``, a folder of class folders (or of ``train``/``val``/``test`` folders
    of class folders), an archive of such a folder, an ``.npz`` file, a ``.csv`` file with the
    columns ``file,label[,split][,group]``, or the name of a set of ``torchvision.datasets``,
    which then needs ``root`` (where its files lie) and takes its other arguments from
    ``options``; of a CSV file ``options`` say which of its columns are ours, and ``groups`` names
    the column of the group: images of one patient or video stay in one part. ``size`` is the
    side, or (height, width), to which every image is scaled and centre-cropped; None keeps the
    images as they are, if they agree; ``resize`` says it with how. ``limit`` reads at most that
    many images of each given part, by class in proportion. ``validation`` and ``test`` are the
    shares held out of the training images where no folder of that name is given. ``mirror`` allows
    training images to be mirrored; None: only where the set is known to bear it (photographs of
    torchvision's sets),
    never for folders and arrays. ``masks``, ``palette`` and ``ignore`` are about images with masks
    (segmentation); these lie in a folder, an archive or an ``.npz`` file.
    """

    source: str
    """A folder, an archive, a .csv or .npz file, `digits`, or the name of a set of torchvision."""
    root: str | None = None
    """Folder in which the files of a torchvision set lie; needed by those alone."""
    size: int | tuple[int, int] | None = None
    """Side, or [height, width], to which images are scaled and centre-cropped; as they are if left
    out, which they must then agree in. Short for `resize: {size: ..., mode: crop}`.
    """
    resize: Resize | None = None
    """Size, and how images of another one become it: `{size: 224, mode: crop | pad | stretch}`;
    as `size` says if left out.
    """
    colour: Literal["auto", "grey", "rgb"] = "auto"
    """`grey` or `rgb`; `auto`: as the images are."""
    limit: Several | None = None
    """Images read of each part at most, by class in proportion; all if left out."""
    validation: Held = 0.2
    """Share of the images that the search ranks by, where the source gives no such part."""
    test: Part = 0.2
    """Share of the images that only `nas confirm` sees, where the source gives no such part."""
    seed: Seed = 0
    """Seed of the division into parts; another one divides otherwise."""
    mirror: bool | None = None
    """Whether a mirrored image keeps its class, so that training mirrors; left out, only sets of
    photographs of torchvision are mirrored.
    """
    mean: list[Probability] | None = None
    """Mean of each channel in 0..1 by which images are normalised, such as [0.485, 0.456, 0.406]:
    for a host, those that its weights were trained with; left out, those of the training images.
    """
    std: list[Positive] | None = None
    """Standard deviation of each channel, such as [0.229, 0.224, 0.225]; goes with `mean`."""
    download: bool = False
    """Whether torchvision may download the set."""
    options: dict[str, Any] = {}
    """Further arguments of a torchvision set, and of a CSV file the names of its columns."""
    groups: str | None = None
    """Column of a CSV file: images that share a value there, of one patient or video, stay in one
    part; images are divided one by one if left out.
    """
    masks: str | None = None
    """For segmentation: name of the folder of masks beside the images; `auto`: one of the usual
    names, which is taken where a job's task needs masks and this is left out.
    """
    palette: str | None = None
    """File with a line `R G B name` for each class, for masks in colour; label_colors.txt in the
    source is found by itself.
    """
    ignore: int | list[int] | None = 255
    """Label in the masks, or several, of pixels that count nowhere; `null`: every label counts."""

    def __post_init__(self) -> None:
        """Refuse values that no data could satisfy."""
        try:
            check_types(self)
        except ConfigError as error:
            raise DataValueError(str(error)) from None
        # by hand: in a number or a tuple, msgspec (0.22) takes a range for another one
        if self.size is not None and self.resize is not None:
            raise DataValueError(
                f"`size` and `resize` both say a size, {self.size} and {self.resize.size}; leave "
                "`size` out"
            )
        sides = self.shape or (1, 1)
        if min(sides) < 1:
            raise DataValueError(f"`size` is at least 1 pixel, got {min(sides)}")
        if self.validation + self.test >= 1:
            raise DataValueError(
                f"`validation` and `test` are shares that leave something to train on, got "
                f"{self.validation} and {self.test}"
            )
        if (self.mean is None) != (self.std is None) or len(self.mean or ()) != len(self.std or ()):
            raise DataValueError(
                "`mean` and `std` go together, a number for each channel, got "
                f"{self.mean} and {self.std}"
            )
        if any(not 0 <= label <= 255 for label in self.ignored):
            raise DataValueError(f"`ignore` is a label from 0 to 255, got {self.ignore}")

    @property
    def ignored(self) -> tuple[int, ...]:
        """The labels of masks that count nowhere."""
        if self.ignore is None:
            return ()
        return tuple(self.ignore) if isinstance(self.ignore, list) else (self.ignore,)

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) asked for, or None."""
        size = self.size if self.resize is None else self.resize.size
        return (size, size) if isinstance(size, int) else size

    @property
    def mode(self) -> str:
        """How images of another size become the size asked for."""
        return "crop" if self.resize is None else self.resize.mode

    def at(self, base: Path | str | None = None) -> DataSpec:
        """Return this spec with its paths absolute, relative ones taken from ``base``."""
        start = Path.cwd() if base is None else Path(base)
        changes: dict[str, Any] = {}
        if self.root is not None:
            changes["root"] = str(start / Path(self.root).expanduser())
        elif self.source == "digits":
            pass  # scikit-learn's, also beside a folder of that name: that one is `./digits`
        elif looks_like_path(self.source) or (start / self.source).exists():
            changes["source"] = str(start / Path(self.source).expanduser())
        if self.palette is not None and (start / Path(self.palette).expanduser()).is_file():
            changes["palette"] = str(start / Path(self.palette).expanduser())
        return msgspec.structs.replace(self, **changes)


class DataValueError(DataError, ValueError):
    """A value of the ``data:`` section that is out of its range (msgspec adds the path)."""


def looks_like_path(source: str) -> bool:
    """Whether a source can only be a path: it has a separator, a ``~`` or a suffix."""
    return "/" in source or "\\" in source or source.startswith("~") or "." in source


def parse(spec: DataSpec | Mapping[str, Any] | str) -> DataSpec:
    """Return the spec that a job's ``data:`` section spells; a string is its ``source``."""
    if isinstance(spec, DataSpec):
        return spec
    if isinstance(spec, str):
        return DataSpec(source=spec)
    return convert(dict(spec), DataSpec, "data")
