"""How a picture becomes an input of the network, in the words of the export's README."""

from __future__ import annotations

from plugnas.nas.export.subject import Subject

_RESIZED = {
    "crop": "is scaled (bilinear, antialiased) until it covers {shape} (height x width) and is "
    "cropped around the centre",
    "pad": "is scaled (bilinear, antialiased) until it just fits into {shape} (height x width), "
    "and lies in the middle of black",
    "stretch": "is scaled (bilinear, antialiased) to {shape} (height x width), which changes its "
    "aspect",
}


def geometry(subject: Subject) -> str:
    """Return how a picture becomes an input; arrays of other channels are taken as they are."""
    channels, height, width = subject.input_shape
    if channels not in (1, 3):
        return ""
    mode = subject.provenance.recipe.get("resize", "crop")
    return (
        "\n\n**From a picture to an input:** turned as its EXIF data says; transparent parts over "
        f"white; of 16-bit grey the upper byte; converted to {'grey' if channels == 1 else 'RGB'}; "
        f"another size {_RESIZED[mode].format(shape=f'{height}x{width}')}. "
        "`pixels.py` beside `train.py` does this."
    )


__all__ = ["geometry"]
