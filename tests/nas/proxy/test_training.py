"""Trainings: what they learn, what they repeat, what they leave alone, and how they end badly."""

import dataclasses
import math
import random

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from plugnas.nas.data import DataError
from plugnas.nas.machine.device import keep_memory, resolve_precision
from plugnas.nas.proxy import DeviceError, Recipe, resolve_device, train
from plugnas.nas.proxy.states import StateFile

TRAPEZOID = Recipe(epochs=3, images=200, schedule="trapezoid")


def test_a_small_network_learns_the_digits(digits, network):
    told = []
    result = train(network, digits, Recipe(epochs=8, batch_size=32), on_epoch=told.append)
    assert result.accuracy > 0.93 and result.reason is None
    assert told == list(result.curve) and [p["epoch"] for p in told] == list(range(1, 9))
    losses = [point["train_loss"] for point in result.curve]
    assert losses[-1] < 0.3 * losses[0]
    assert result.signal == pytest.approx(-sum(losses))
    assert "accuracy" in told[-1] and "accuracy" not in told[0]
    assert result.cpu_seconds > 0 and result.seconds > 0
    network = result.network.eval()
    pixels = digits.images[digits.validation].float() / 255
    x = ((pixels - digits.mean) / digits.std).permute(0, 3, 1, 2)
    with torch.no_grad():
        right = (network(x).argmax(1) == digits.labels[digits.validation]).float().mean()
    assert float(right) == pytest.approx(result.accuracy, abs=1e-6)


def test_one_seed_one_result_and_nothing_else_moves(digits, network):
    torch.manual_seed(11)
    np.random.seed(11)
    random.seed(11)
    expected = torch.rand(3), np.random.rand(3), random.random()
    torch.manual_seed(11)
    np.random.seed(11)
    random.seed(11)
    recipe = Recipe(epochs=2, images=200)
    first = train(lambda: network(dropout=0.3), digits, recipe, seed=5)
    found = torch.rand(3), np.random.rand(3), random.random()
    assert torch.equal(expected[0], found[0]) and np.array_equal(expected[1], found[1])
    assert expected[2] == found[2]
    torch.manual_seed(99)
    again = train(lambda: network(dropout=0.3), digits, recipe, seed=5)
    other = train(lambda: network(dropout=0.3), digits, recipe, seed=6)
    assert _weights_equal(first, again) and first.curve == again.curve
    assert not _weights_equal(first, other) and first.signal != other.signal


def test_the_grad_mode_of_the_caller_is_kept(digits, network):
    train(network, digits, Recipe(epochs=1, images=50))
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(("epochs", "counted"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_the_signal_counts_the_last_epochs(digits, network, epochs, counted):
    result = train(network, digits, _changed(TRAPEZOID, signal_epochs=epochs))
    losses = [point["train_loss"] for point in result.curve]
    assert len(losses) == 3 and result.signal == -sum(losses[-counted:])


def test_left_out_the_signal_is_the_last_loss_of_a_short_training_and_all_of_a_longer():
    assert [Recipe(epochs=n).ranked_epochs for n in (1, 3, 4, 9)] == [1, 1, 4, 9]
    assert Recipe(epochs=3, signal_epochs=2).ranked_epochs == 2


def test_the_signal_decides_nothing_of_the_training():
    other = _changed(TRAPEZOID, signal_epochs=1)
    assert other.beginning() == TRAPEZOID.beginning() and other.begins_like(TRAPEZOID)


@pytest.mark.parametrize("longer", [4, 9])
def test_going_on_from_a_state_equals_an_undisturbed_training(digits, network, tmp_path, longer):
    def build():
        return network(dropout=0.3)

    recipe = _changed(TRAPEZOID, epochs=longer)
    state = StateFile(tmp_path / "states", "arch-seed3")
    short = train(build, digits, TRAPEZOID, seed=3, state=state)
    assert short.epochs_reused == 0 and state.path.exists()
    promoted = train(build, digits, recipe, seed=3, state=state)
    undisturbed = train(build, digits, recipe, seed=3)
    # 200 images are 3 batches: the plateau of the short one ends after 5 of 9 steps, mid-epoch.
    assert promoted.epochs_reused == pytest.approx(5 / 3)
    assert promoted.curve == undisturbed.curve and promoted.accuracy == undisturbed.accuracy
    assert _weights_equal(promoted, undisturbed)
    assert _weights_equal(short, train(build, digits, TRAPEZOID, seed=3))


def test_a_rung_without_a_fall_is_the_beginning_of_the_longer_training(digits, network, tmp_path):
    def build():
        return network(dropout=0.3)

    state = StateFile(tmp_path, "a")
    rung, full = _changed(TRAPEZOID, epochs=2, cooldown=0.0), _changed(TRAPEZOID, epochs=5)
    short = train(build, digits, rung, seed=3, state=state)
    promoted = train(build, digits, full, seed=3, state=state)
    undisturbed = train(build, digits, full, seed=3)
    assert promoted.epochs_reused == 2
    assert promoted.curve == undisturbed.curve and _weights_equal(promoted, undisturbed)
    assert short.signal == -undisturbed.curve[1]["train_loss"]


def test_a_state_beyond_the_plateau_is_not_used(digits, network, tmp_path):
    state = StateFile(tmp_path, "a")
    train(network, digits, _changed(TRAPEZOID, epochs=6), state=state)
    again = train(network, digits, TRAPEZOID, state=state)
    assert again.epochs_reused == 0
    assert again.curve == train(network, digits, TRAPEZOID).curve


@pytest.mark.parametrize("damage", ["torn", "foreign", "nonsense", "absent"])
def test_a_damaged_state_is_as_none(digits, network, tmp_path, damage):
    state = StateFile(tmp_path, "a")
    train(network, digits, TRAPEZOID, state=state)
    content = state.path.read_bytes()
    if damage == "torn":
        state.path.write_bytes(content[: len(content) // 2])
    elif damage == "nonsense":
        state.path.write_text("nothing of the kind")
    elif damage == "absent":
        state.remove()
    else:
        state = StateFile(tmp_path, "b")
        state.path.write_bytes(content)
    assert state.read(torch.device("cpu")) is None
    assert train(network, digits, TRAPEZOID, state=state).epochs_reused == 0


def test_old_states_make_room(tmp_path):
    for number in range(6):
        state = StateFile(tmp_path, f"s{number}", limit=60_000)
        state.write({"network": torch.zeros(5_000)})  # 20 KB
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2 and "s5.pt" in left


def test_a_state_that_cannot_be_written_costs_nothing(digits, network, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = train(network, digits, TRAPEZOID, state=StateFile(tmp_path / "file", "a"))
    assert result.reason is None and (tmp_path / "file").read_text() == "in the way"


def test_divergence_is_a_result_with_a_reason(digits, network):
    result = train(network, digits, Recipe(epochs=3, learning_rate=1e30, images=300))
    assert result.reason is not None
    assert result.reason.startswith("diverged: the training loss") and "1e+30" in result.reason
    assert math.isnan(result.accuracy)


def test_what_does_not_fit_is_a_memory_error(digits):
    class Greedy(nn.Module):
        def forward(self, x):
            return torch.empty(2**48)

    with pytest.raises(MemoryError):
        train(nn.Sequential(nn.Conv2d(1, 1, 1), Greedy()), digits, Recipe(epochs=1, images=30))


def test_the_test_part_is_scored_and_more_is_learned_from(digits, network):
    recipe = Recipe(epochs=1)
    result = train(network, digits, recipe, learn_from=("train", "validation"), score_on="test")
    assert result.accuracy * len(digits.test) == pytest.approx(
        round(result.accuracy * len(digits.test))
    )
    empty = dataclasses.replace(digits, test=digits.test[:0])
    with pytest.raises(DataError, match="0 in `test` to score on"):
        train(network, empty, recipe, score_on="test")


def test_every_epoch_can_be_scored(digits, network):
    recipe = Recipe(epochs=3, images=100, validation_images=50, validate_every_epoch=True)
    curve = train(network, digits, recipe).curve
    assert all(round(50 * point["accuracy"], 6).is_integer() for point in curve)


def test_bfloat16_trains_too(digits, network):
    result = train(network, digits, Recipe(epochs=6, batch_size=32), precision="bfloat16")
    assert result.accuracy > 0.85
    assert all(p.dtype == torch.float32 for p in result.network.parameters())


@pytest.mark.parametrize(
    ("device", "text"), [("cuda:99", "torch sees"), ("gpu", "auto, cpu or cuda"), ("meta", "auto")]
)
def test_bad_devices(device, text):
    with pytest.raises(DeviceError, match=text):
        resolve_device(device)


def test_precision_is_decided_or_refused():
    cpu = resolve_device("cpu")
    assert resolve_precision("auto", cpu) in (torch.float32, torch.bfloat16)
    assert resolve_precision("float32", cpu) is torch.float32
    with pytest.raises(DeviceError, match="float16"):
        resolve_precision("float16", cpu)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_learns_the_same_each_time(digits, network):
    recipe = Recipe(epochs=8, batch_size=32)
    first, again = (train(network, digits, recipe, device="cuda", seed=1) for _ in range(2))
    assert first.accuracy > 0.9 and first.curve == again.curve


def test_the_allocator_setting_says_whether_it_took():
    assert keep_memory() in (True, False)


def _weights_equal(a, b):
    states = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def _changed(recipe, **changes):
    return msgspec.structs.replace(recipe, **changes)
