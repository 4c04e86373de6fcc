"""Training in a host: what is frozen stays, features are computed once, the host learns slower."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plugnas.nas.proxy import Recipe, train
from plugnas.nas.proxy import learning as learning_of
from plugnas.nas.proxy.cut import cut
from plugnas.nas.proxy.defaults import default_host_rungs, gentle
from plugnas.nas.proxy.recipe import RecipeError
from plugnas.space.host import plug, plugged_keys
from plugnas.space.host.own import fresh_modules, gates_told, own_parameters

FROZEN = Recipe(epochs=2, images=200, validation_images=100, freeze="host", learning_rate=0.05)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.layer = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        y = self.drop(torch.relu(self.bn1(self.conv1(x))))
        y = y + self.layer(y)
        y = torch.relu(y).mean((2, 3))
        return self.fc(y.view(y.size(0), -1))


class Undecided(Small):
    def forward(self, x):
        return super().forward(x if x.sum() > -1e9 else -x)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path))
    return tmp_path


def plugged(cls=Small, site="layer", module="se"):
    torch.manual_seed(0)
    return plug(cls(), {site: module}, input_shape=(1, 8, 8))


def test_the_host_keeps_weights_and_statistics_and_the_plugs_learn(digits, cache):
    network = plugged()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    done = train(network, digits, FROZEN, device="cpu")
    added = set(plugged_keys(network))
    changed = {k for k, v in done.network.state_dict().items() if not torch.equal(v, before[k])}
    assert changed and changed <= added
    assert gates_told(network)["gates"]["layer-attention"][1] > 0


@pytest.mark.parametrize("site", ["layer", "layer.1"])
def test_features_computed_once_give_the_training_of_the_whole(digits, cache, monkeypatch, site):
    fast = train(plugged(site=site), digits, FROZEN, device="cpu")
    again = train(plugged(site=site), digits, FROZEN, device="cpu")
    assert len(list((cache / "features").glob("*.npy"))) >= 1
    monkeypatch.setattr(learning_of, "cut", lambda *_: None)
    still = Recipe(**{**_fields(FROZEN), "shift": 0, "mirror": False})
    slow = train(plugged(site=site), digits, still, device="cpu")
    assert again.curve == fast.curve
    for a, b in zip(fast.curve, slow.curve, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def _fields(recipe):
    return {name: getattr(recipe, name) for name in recipe.__struct_fields__}


def test_a_forward_that_looks_at_values_is_trained_whole(digits, cache):
    network = plugged()
    network.__class__ = Undecided
    images = torch.randn(3, 1, 8, 8)
    assert cut(network.eval(), list(fresh_modules(network)), images) is None
    assert train(network, digits, FROZEN, device="cpu").reason is None
    assert not (cache / "features").exists()


def test_a_cut_network_computes_the_same_and_leaves_the_images_out():
    network = plugged().eval()
    nn.init.ones_(network.plugs["layer-attention"].gate)
    images = torch.randn(5, 1, 8, 8)
    halves = cut(network, list(fresh_modules(network)), images)
    features = halves.before(images)
    assert torch.equal(halves.after(*features), network(images))
    assert not any(p is q for p in halves.before.parameters()
                   for q in network.plugs.parameters())  # fmt: skip


def test_the_host_itself_is_scored_and_nothing_learns(digits, cache):
    torch.manual_seed(0)
    network = Small()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    done = train(network, digits, FROZEN, device="cpu")
    assert done.reason is None and 0 <= done.accuracy <= 1
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_the_host_learns_at_its_own_rate_and_after_the_plugs(digits):
    moved = {}
    for rate in (None, 0.001, 0.0):
        network = plugged()
        before = [p.detach().clone() for p in own_parameters(network)]
        recipe = Recipe(epochs=1, images=200, validation_images=100, host_learning_rate=rate)
        train(network, digits, recipe, device="cpu")
        after = [p.detach() for p in own_parameters(network)]
        moved[rate] = sum(float((a - b).abs().sum()) for a, b in zip(after, before, strict=True))
    assert moved[None] > 10 * moved[0.001] > 0
    assert moved[0.0] == 0
    network = plugged()
    before = [p.detach().clone() for p in own_parameters(network)]
    recipe = Recipe(epochs=1, images=200, validation_images=100, plugs_first=1)
    train(network, digits, recipe, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(own_parameters(network), before, strict=True))


def test_a_host_with_weights_gets_a_frozen_rung_first_and_its_own_rate_then(digits):
    frozen, whole = default_host_rungs(digits)
    assert (frozen.freeze, whole.freeze) == ("host", None)
    assert whole.host_learning_rate == pytest.approx(0.1 * whole.learning_rate)
    assert frozen.resolution is whole.resolution is None
    assert gentle(whole) is whole and gentle(frozen) is frozen
    assert gentle(Recipe(learning_rate=0.3)).host_learning_rate == pytest.approx(0.03)


def test_rates_below_nothing_are_refused():
    with pytest.raises(RecipeError, match="host_learning_rate"):
        Recipe(host_learning_rate=-1)
