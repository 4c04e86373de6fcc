"""Hosts by name: callables, arguments, weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from plugnas.space.host import Host, HostError, HostSource
from plugnas.space.host.weights import load_weights

SHAPE = (3, 16, 16)


def source(name, here, **more):
    return HostSource(f"networks.py:{name}", base=here, **more)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet18", "names no callable; write `package.module:callable`"),
        ("nets.py:tiny", r"nets\.py is not there; did you mean `networks\.py`"),
        ("networks.py:tinyy", "there is no `tinyy`; did you mean `tiny`"),
        ("networks.py:F", "is a module, no callable"),
        ("torchvison.models:resnet18", "package `torchvison` is not installed"),
        ("torchvision.models:resnet81", "no model `resnet81`; did you mean `resnet18`"),
        ("timm:resnet81d", "timm has no model `resnet81d`; did you mean"),
        ("networks.py:settled", r"cannot be built with \(\): TypeError: .*missing"),
        ("json:dumps", r"TypeError: .*missing"),
    ],
)
def test_a_wrong_name_is_one_sentence(model, words, here):
    with pytest.raises(HostError, match=words) as caught:
        HostSource(model, base=here).build()
    assert "\n" not in str(caught.value)


def test_wrong_arguments_and_returns_are_one_sentence(here):
    with pytest.raises(HostError, match=r"tiny cannot be built with \(clases=3\): TypeError"):
        source("tiny", here, arguments={"clases": 3}).build()
    with pytest.raises(HostError, match="returns a str; a host is a callable that returns an nn"):
        HostSource("json:dumps", {"obj": 1}).build()
    with pytest.raises(HostError, match="takes neither `weights` nor `pretrained`"):
        source("tiny", here, weights="default").build()


def test_libraries_are_told_that_no_weights_are_wanted(monkeypatch):
    import torchvision

    def fake(*, weights="x", weights_backbone="y", num_classes=2):
        seen.update(weights=weights, weights_backbone=weights_backbone)
        return torch.nn.Linear(2, num_classes)

    seen = {}
    monkeypatch.setattr(torchvision.models, "fake", fake, raising=False)
    HostSource("torchvision.models:fake").build()
    assert seen == {"weights": None, "weights_backbone": None}
    HostSource("torchvision.models:fake", weights="default").build()
    assert seen == {"weights": "DEFAULT", "weights_backbone": "y"}


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda s: s, ()),
        (lambda s: {"state_dict": s, "epoch": 3}, ("under `state_dict`",)),
        (
            lambda s: {"model": {f"module.{k}": v for k, v in s.items()}},
            ("under `model`", "prefix `module.`"),
        ),
        (
            lambda s: {"best": 1.0, "ema": {"now": {f"net.module.{k}": v for k, v in s.items()}}},
            ("under `ema.now`", "prefix `net.module.`"),
        ),
        (
            lambda s: {"n_averaged": torch.tensor(3), **{f"module.{k}": s[k] for k in s}},
            ("prefix `module.`",),
        ),
    ],
)
def test_wrappers_and_prefixes_are_found_and_said(wrap, said, networks, here, tmp_path):
    trained = networks.settled(networks.tiny())
    torch.save(wrap(trained.state_dict()), tmp_path / "w.pth")
    named = str(here / "networks.py") + ":tiny"
    host = Host.load(HostSource(named, weights="w.pth", base=tmp_path), SHAPE)
    x = torch.randn(2, *SHAPE)
    assert torch.equal(host.network().eval()(x), trained(x))
    assert len(host.trace.notes) == len(said)
    assert all(words in note for words, note in zip(said, host.trace.notes, strict=True))


def test_safetensors_and_what_is_no_weights(networks, tmp_path):
    model, other = networks.tiny(), networks.tiny()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    assert load_weights(other, tmp_path / "w.safetensors") == ()
    assert torch.equal(other.linear.weight, model.linear.weight)
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(HostError, match="could run code; save the weights alone"):
        load_weights(other, tmp_path / "whole.pth")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(HostError, match="no mapping of names to tensors"):
        load_weights(other, tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(HostError, match="text.pth"):
        load_weights(other, tmp_path / "text.pth")
    with pytest.raises(HostError, match=r"are not there; did you mean `none\.pth`"):
        load_weights(other, tmp_path / "non.pth")


def test_weights_are_loaded_whole_or_not_at_all(networks, tmp_path):
    state = networks.tiny().state_dict()
    some = {k: v for k, v in state.items() if "layer2" not in k} | {"extra": torch.ones(1)}
    torch.save(some, tmp_path / "some.pth")
    with pytest.raises(HostError) as caught:
        load_weights(networks.tiny(), tmp_path / "some.pth")
    text = str(caught.value)
    assert "keys missing from the file (10): layer2.0.conv1.weight" in text and ", ..." in text
    assert "keys unexpected (1): extra" in text
    torch.save(state | {"conv1.weight": torch.ones(8, 3, 3, 3)}, tmp_path / "shape.pth")
    with pytest.raises(HostError, match="`conv1.weight` is 8x3x3x3 in the file and 4x3x3x3 in"):
        load_weights(networks.tiny(), tmp_path / "shape.pth")


def test_the_classifier_is_fitted_to_the_classes_and_that_is_said(networks, here, tmp_path):
    trained = networks.tiny(10)
    torch.save(trained.state_dict(), tmp_path / "ten.pth")
    named = str(here / "networks.py") + ":tiny"
    host = Host.load(HostSource(named, weights="ten.pth", base=tmp_path), SHAPE, 7)
    network = host.network()
    assert network.linear.weight.shape == (7, 16)
    assert torch.equal(network.conv1.weight, trained.conv1.weight)
    assert "`linear` makes 10 classes and 7 are needed" in host.trace.notes[-1]
    # built for seven, a file for ten: the file's classifier is left out
    seven = HostSource(named, {"num_classes": 7}, "ten.pth", tmp_path)
    host = Host.load(seven, SHAPE, 7)
    assert host.network().linear.weight.shape == (7, 16)
    assert "`linear` has 10 outputs in ten.pth and 7 in the host" in host.trace.notes[0]
    assert Host.load(HostSource(named), SHAPE, 10).trace.notes == ()


def test_a_classifier_can_be_named(here):
    host = Host.load(source("tiny", here, classifier=("linear",)), SHAPE, 3)
    assert host.network().linear.out_features == 3
    with pytest.raises(HostError, match="has no `head`"):
        Host.load(source("tiny", here, classifier=("head",)), SHAPE, 3)


def test_the_digest_follows_the_weights_and_not_the_folder(networks, here, tmp_path):
    plain, other = source("tiny", here), source("tiny", here, arguments={"num_classes": 3})
    assert plain.digest() == source("tiny", tmp_path).digest() != other.digest()
    digests = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(networks.tiny().state_dict(), tmp_path / "w.pth")
        digests.add(source("tiny", tmp_path, weights="w.pth").digest())
    assert len(digests) == 2


def test_the_host_travels_without_what_it_built(here):
    import pickle

    host = Host.load(source("tiny", here), SHAPE, 10)
    again = pickle.loads(pickle.dumps(host))
    assert again.trace == host.trace and again.network().linear.out_features == 10
    with torch.device("meta"):
        assert all(p.is_meta for p in again.network().parameters())
