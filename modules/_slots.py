"""The slots: tensor contracts into which modules fit, and the site at which one stands."""

from __future__ import annotations

from dataclasses import dataclass

# slot -> (constructor, forward); the one place where the contract is written down.
SLOTS: dict[str, tuple[str, str]] = {
    "operator": (
        "(in_channels, out_channels, *, stride=1, ...)",
        "(B, Cin, H, W) -> (B, Cout, ceil(H/s), ceil(W/s))",
    ),
    "attention": ("(channels, *, ...)", "(B, C, H, W) -> same"),
    "mixer": ("(channels, *, ...)", "tokens (B, N, C) with size=(H, W) -> (B, N, C)"),
    "context": ("(channels, *, ...)", "(B, C, H, W) -> same, seeing many scales"),
    "fusion": ("(channels, *, ...)", "x, y both (B, C, H, W) -> same; y may be coarser"),
    "upsampling": ("(channels, *, scale=2, ...)", "(B, C, H, W) -> (B, C, sH, sW)"),
    "pooling": ("(channels, *, ...)", "(B, C, H, W) -> (B, F), with out_features"),
    "activation": ("(), or (channels) where it learns", "elementwise"),
    "sequence": ("(channels, *, ...)", "(B, C, T) -> same"),
    "stage": ("(channels, *, ...)", "(B, C, H, W) -> same; several branches inside"),
    "region": ("(channels, *, ...)", "feature (B, 4C, H, W), boxes (B, K, 4) -> (B, C, K, 4)"),
    "transform": (
        "(in_channels, out_channels, *, stride=1, ...)",
        "(B, Cin, H, W) -> (B, Cout, ceil(H/s), ceil(W/s)); rewrites itself in fuse()",
    ),
}


@dataclass(frozen=True)
class Site:
    """Where a module would stand: the shape that enters it, batch left out.

    ``channels``, ``height`` and ``width`` are those of the input; ``out_channels`` (the input's if
    None) and ``stride`` matter to operators only, ``scale`` to upsampling only. A sequence of T
    steps is ``height=1, width=T``.
    """

    channels: int
    height: int
    width: int
    stride: int = 1
    out_channels: int | None = None
    scale: int = 2

    @property
    def width_out(self) -> int:
        """Output channels: ``out_channels``, or ``channels`` where it is None."""
        return self.channels if self.out_channels is None else self.out_channels

    def __str__(self) -> str:
        """``64x32x32``, with the stride and the output channels where they differ."""
        text = f"{self.channels}x{self.height}x{self.width}"
        if self.width_out != self.channels:
            text += f" to {self.width_out} channels"
        return text + (f" with stride {self.stride}" if self.stride != 1 else "")
