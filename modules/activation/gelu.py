"""Gaussian error linear unit."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import one_of
from plugnas.modules._registry import register

_FORMS = ("exact", "tanh")


@register(
    "gelu",
    slot="activation",
    family="activation",
    name="Gaussian error linear unit",
    year=2016,
    paper="arXiv:1606.08415",
    choices={"form": _FORMS},
    origin="github.com/hendrycks/GELUs, MIT",
)
class GELU(nn.Module):
    """Multiplies each value by the chance that a standard normal number is smaller.

    y = x Phi(x), elementwise (``exact``), or
    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (``tanh``), within 0.0005 of it.
    """

    def __init__(self, *, form: str = "exact") -> None:
        super().__init__()
        self.approximate = "tanh" if one_of("form", form, _FORMS) == "tanh" else "none"

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate=self.approximate)
