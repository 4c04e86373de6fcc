"""scSE against its formula, value by value, in every mode."""

import math

import torch

from plugnas.modules.attention.scse import SCSE
from tests.modules.generic import generic, rand


def _gates(ours, x):
    """Channel gates (C) and position gates (H, W) of one sample."""

    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    mean = [float(channel.mean()) for channel in x]
    hidden = [
        max(0.0, sum(float(w) * m for w, m in zip(row.flatten(), mean, strict=True)) + float(b))
        for row, b in zip(ours.squeeze.weight, ours.squeeze.bias, strict=True)
    ]
    by_channel = [
        sigmoid(sum(float(w) * h for w, h in zip(row.flatten(), hidden, strict=True)) + float(b))
        for row, b in zip(ours.excite.weight, ours.excite.bias, strict=True)
    ]
    linear = ours.position.weight.flatten()
    by_position = [
        [sigmoid(float(linear @ x[:, i, j] + ours.position.bias[0])) for j in range(x.shape[2])]
        for i in range(x.shape[1])
    ]
    return torch.tensor(by_channel), torch.tensor(by_position)


def test_equals_the_formula():
    for reduction in (2, 3):
        both = generic(SCSE(6, reduction=reduction, mode="add"))
        x = rand(1, 6, 3, 4)
        channel, position = (g.double() for g in _gates(both, x[0]))
        by_channel = torch.stack([x[0, c] * channel[c] for c in range(6)])
        by_position = torch.stack([x[0, c] * position for c in range(6)])
        larger = torch.where(by_channel > by_position, by_channel, by_position)
        expected = {
            "add": by_channel + by_position,
            "max": larger,
            "channel": by_channel,
            "spatial": by_position,
        }
        for mode, values in expected.items():
            ours = SCSE(6, reduction=reduction, mode=mode).double()
            names = ours.state_dict().keys()
            ours.load_state_dict({k: v for k, v in both.state_dict().items() if k in names})
            torch.testing.assert_close(ours(x)[0], values, rtol=1e-6, atol=1e-6)
