"""The conformance suite as others use it: a sound module passes, each defect is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.modules import _registry
from plugnas.modules.testing import ConformanceError, _export, check_module, conformance_tests


@pytest.fixture(autouse=True)
def clean():
    known = _registry.snapshot()
    yield
    _registry.restore(known)


class Scale(nn.Module):
    """Multiplies each channel by a learned number. (B, C, H, W) -> the same."""

    def __init__(self, channels, *, start=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x):
        return self.scale * x


def _register(cls, key="mine", **changes):
    said = {"slot": "attention", "family": "mine", "name": "Mine", **changes}
    modules.register(key, **said)(cls)


def _defect(forward, **changes):
    """Register ``Scale`` with another forward."""
    cls = type("Defect", (Scale,), {"forward": forward, "__doc__": Scale.__doc__})
    _register(cls, **changes)


def test_a_sound_module_passes_in_every_setting():
    _register(Scale, choices={"start": (1.0, 0.1)}, aliases=("MineAttention",))
    check_module("MineAttention")
    test = conformance_tests("mine")
    (mark,) = test.pytestmark
    assert [param.id for param in mark.args[1]] == ["mine-start=1.0", "mine-start=0.1"]
    for param in mark.args[1]:
        test(*param.values)


def test_exports_of_settings_may_be_tests_of_their_own(monkeypatch):
    class Formed(Scale):
        """Multiplies each channel by a learned number, in one of two forms."""

        def __init__(self, channels, *, form="a"):
            super().__init__(channels, start=1.0 if form == "a" else 0.5)

    _register(Formed, choices={"form": ("a", "b")})
    test = conformance_tests("mine", exports=pytest.mark.slow)
    params = {param.id: param for param in test.pytestmark[0].args[1]}
    assert {name: [m.name for m in p.marks] for name, p in params.items()} == {
        "mine-form=a": [], "mine-form=b": [], "mine-form=b-export": ["slow"],
    }  # fmt: skip
    exported = []
    monkeypatch.setattr(_export, "_export", lambda module, args: exported.append(1) or module)
    for name, times in (("mine-form=a", 1), ("mine-form=b", 0), ("mine-form=b-export", 1)):
        exported.clear()
        test(*params[name].values)
        assert len(exported) == times, name


def _positions(self, x):
    grid = torch.linspace(-1, 1, x.shape[3], dtype=x.dtype, device=x.device)
    place = torch.zeros_like(x) + grid
    return self.scale * torch.sin(
        400 * (place.bfloat16() if torch.is_autocast_enabled("cpu") else place)
    )


@pytest.mark.parametrize(
    ("forward", "law"),
    [
        (lambda self, x: self.scale * x[..., :1, :1], r"is \(3, 16, 1, 1\) where the slot"),
        (lambda self, x: self.scale * x / x[0, 0, 0, 0] * 0, "no gradient|without effect"),
        (lambda self, x: x.mul_(self.scale), "changed its input in place|leaf Variable"),
        (lambda self, x: self.scale * torch.rand_like(x), "two calls in eval mode differ"),
        (lambda self, x: self.scale * x - x.mean(0), "a sample alone differs"),
        (lambda self, x: (self.scale * x).float(), "float64 went in, torch.float32 came out"),
        (lambda self, x: self.scale * x / x.std((2, 3), keepdim=True), "is not finite"),
        (_positions, "off float32"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:std\\(\\)")
def test_each_defect_is_named(forward, law):
    _defect(forward)
    with pytest.raises(ConformanceError, match=law) as error:
        check_module("mine")
    assert str(error.value).startswith("`mine` does not conform:")


def test_an_untrue_declaration_is_named():
    _register(Scale, "lies", refuses=lambda site, setting: "odd" if site.height % 2 else None)
    with pytest.raises(ConformanceError, match=r"refused at 16x7x9 \(odd\), but the class works"):
        check_module("lies")
    _register(Scale, "never", refuses=lambda site, setting: "never")
    with pytest.raises(ConformanceError, match="refused at every site"):
        check_module("never")
    _register(Scale, "cannot", export={"pt2": "it cannot"})
    with pytest.raises(ConformanceError, match="pt2 cannot take the module, but it can"):
        check_module("cannot")
    _register(
        Scale,
        "turns",
        choices={"start": (1.0, 0.1)},
        same=lambda site, setting: {"start": 0.1 if setting["start"] == 1.0 else 1.0},
    )
    with pytest.raises(ConformanceError, match="`same` twice is not `same`"):
        check_module("turns")


def test_every_slot_has_its_file():
    from pathlib import Path

    folder = Path(__file__).parents[1] / "conformance"
    assert {p.stem for p in folder.glob("test_*.py")} == {f"test_{slot}" for slot in modules.SLOTS}
