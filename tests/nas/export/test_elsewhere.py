"""Files for other libraries: what is written is loaded by them, or held against their form."""

from __future__ import annotations

import ast
import importlib.util
import sys

import pytest
import torch

from plugnas.nas.export import ExportError, Options, deliver
from plugnas.nas.export.elsewhere import name_of
from plugnas.nas.export.mmdet import snippet
from plugnas.space.host import Placement
from plugnas.space.options import Choice
from tests.nas.export import subjects
from tests.nas.export.test_host import PLUGS, SITES, folder, subject_of

__all__ = ["folder"]  # a fixture
ONLY = Options(formats=("source",), measure=False, elsewhere=("timm", "hub", "mmdet"))


@pytest.fixture
def delivered(folder):
    subject = subject_of(folder, SITES, PLUGS)
    return subject, deliver(subject, folder / "out", ONLY)


def test_timm_and_torch_hub_load_the_plugged_network(delivered, monkeypatch):
    import timm

    subject, delivery = delivered
    x, name = torch.rand(2, 1, 8, 8), name_of(subject)
    wanted = subject.network(x)
    file = delivery.path / "timm_model.py"
    spec = importlib.util.spec_from_file_location("timm_model", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "timm_model", module)
    spec.loader.exec_module(module)
    model = timm.create_model(name, pretrained=True, num_classes=10).eval()
    torch.testing.assert_close(model(x), wanted, atol=1e-5, rtol=1e-5)
    assert not torch.equal(timm.create_model(name).eval()(x), wanted)  # fresh weights
    with pytest.raises(ValueError, match="num_classes=7"):
        timm.create_model(name, num_classes=7)
    hub = torch.hub.load(str(delivery.path), name, source="local")
    torch.testing.assert_close(hub.eval()(x), wanted, atol=1e-5, rtol=1e-5)
    text = (delivery.path / "README.md").read_text()
    assert f"timm.create_model('{name}', pretrained=True)" in text and "torch.hub.load" in text
    assert "features_only" in delivery.notes["timm_model.py"]


def test_mmdetection_gets_what_it_can_say_and_the_rest_is_said(delivered):
    _, delivery = delivered
    tree = ast.parse((delivery.path / "mmdet_plugins.py").read_text())
    assert ast.unparse(tree.body[-1]) == "plugins = []"
    assert "se after conv2" in delivery.notes["mmdet_plugins.py"]


def test_plugins_of_mmdetection_stand_in_stages():
    se, ring = Choice("se", (("reduction", 8),)), Choice("eca")
    placements = [
        Placement("after", "layer2.0.bn3", "attention", se),
        Placement("after", "layer3.1.bn3", "attention", se),
        Placement("after", "layer4", "attention", ring),
        Placement("replace", "layer1.0.conv1", "operator", Choice("involution")),
    ]
    text, note = snippet(
        placements, "class SqueezeExcitation(x):\nclass EfficientChannelAttention(x):\n", "R50"
    )
    names = {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    scope: dict[str, object] = {}
    exec(text[text.index("plugins = [") :], scope)
    first, *rest = scope["plugins"]
    assert first == {
        "cfg": {"type": "PluggedSe", "reduction": 8},
        "stages": (False, True, True, False), "position": "after_conv3",
    }  # fmt: skip
    assert [p["cfg"]["type"] for p in rest] == ["PluggedEca"] and names == {
        "PluggedSe",
        "PluggedEca",
    }
    assert "moved to the nearest position: eca after layer4" in note
    assert "of its ResNet: involution in place of layer1.0.conv1" in note


def test_what_cannot_be_written_is_refused(folder):
    subject = subjects.subject()
    with pytest.raises(ExportError, match="did you mean `timm`"):
        deliver(subject, folder / "out", Options(elsewhere=("tim",)))
    with pytest.raises(ExportError, match="add `--format source`"):
        deliver(subject, folder / "out", Options(formats=("pt2",), elsewhere=("hub",)))
