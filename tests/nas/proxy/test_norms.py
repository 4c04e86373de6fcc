"""Statistics of norms estimated afresh, against torch's own over one whole batch."""

from __future__ import annotations

import torch
from torch import nn

from plugnas.nas.proxy import Recipe, train
from plugnas.nas.proxy.norms import estimate_statistics, trained_norms


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(10), nn.BatchNorm1d(10),
    )  # fmt: skip


def test_statistics_are_those_of_the_images_and_weights_stay():
    net, x = network(), torch.randn(32, 1, 8, 8) * 3 + 1
    net(x)
    before = {k: v.clone() for k, v in net.state_dict().items() if "running" not in k}
    estimate_statistics(net, trained_norms(net.train()), [x])
    first = net[0](x)
    assert torch.allclose(net[1].running_mean, first.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(net[1].running_var, first.var((0, 2, 3)), rtol=1e-4)
    assert not any(m.training for m in net.modules()) and net[1].momentum == 0.1
    for name, value in before.items():
        if "num_batches" not in name:
            assert torch.equal(net.state_dict()[name], value)


def test_several_batches_count_alike_and_frozen_norms_keep_theirs():
    net, x = network(), torch.randn(32, 1, 8, 8)
    net(x)
    net.train()
    net[6].eval()
    kept = net[6].running_mean.clone()
    estimate_statistics(net, trained_norms(net), x.split(8))
    assert torch.allclose(net[1].running_mean, net[0](x).mean((0, 2, 3)), atol=1e-5)
    assert torch.equal(net[6].running_mean, kept)


def test_six_steps_do_not_leave_the_statistics_of_the_start(digits):
    """What trained well is not scored at chance: the running average of 6 steps is no estimate."""

    def build():
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16, momentum=1e-3), nn.ReLU(),
            nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16, momentum=1e-3), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 36, 10),
        )  # fmt: skip

    found = train(build, digits, Recipe(epochs=3, images=256, batch_size=32, learning_rate=0.05))
    assert found.accuracy > found.curve[-1]["train_accuracy"] - 0.1 > 0.4
