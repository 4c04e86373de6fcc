"""A synthetic objective with known effects, and a sampler that goes where it did well before."""

from __future__ import annotations

import numpy as np

from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.design import distances, shares, slots_of
from plugnas.nas.explain.model import Data
from plugnas.space import SearchSpace

SPACE = SearchSpace.from_config(
    {
        "stem": {"width": 8},
        "stages": [
            {"width": [8, 16, 24], "depth": [1, 2]},
            {"width": [16, 32, 48], "depth": [1, 2], "stride": 2},
        ],
        "slots": {
            "operator": ["conv", "depthwise_separable", "mbconv", "ghost"],
            "attention": ["none", "se", "eca", "cbam", "simam"],
        },
        "context": ["none", "strip_pooling"],
    },
    (1, 8, 8),
    10,
)
COST = NetworkCost(SPACE)
SLOTS = slots_of(SPACE)
CENTRE = np.concatenate([np.full(len(s.choices), 1 / len(s.choices)) for s in SLOTS])
SIZE = sum(len(slot.choices) for slot in SLOTS)


def held(codes):
    """Return the shares (n, p) of all slots."""
    return np.hstack([shares(SPACE, slot, codes) for slot in SLOTS])


class Planted:
    """Effects drawn at random (two in five are nothing), a curved cost, interactions, noise."""

    def __init__(self, rng, *, scale, interactions=0.0, noise=0.25):
        self.rng, self.scale, self.noise = rng, scale, noise
        self.effects = rng.normal(size=SIZE) * 0.5 * (rng.random(SIZE) < 0.6)
        self.mixed = rng.normal(size=(SIZE, SIZE)) * interactions / 3

    def truth(self, codes):
        cost = np.log10(COST.costs_of(codes)["flops"] / 3e5)
        x = held(codes)
        centred = x - CENTRE
        mixed = ((centred @ self.mixed) * centred).sum(axis=1)
        return 3 + 1.2 * cost - 0.4 * cost**2 + x @ self.effects + mixed

    def measure(self, codes):
        """Return (logits, accuracies) of one noisy evaluation each."""
        z = self.truth(codes) + self.noise * self.rng.normal(size=len(codes))
        return z, 1 / (1 + np.exp(-z)) if self.scale == "log-odds" else 0.9 + 0.02 * (z - 3)

    def search(self, count):
        """Evaluate ``count`` architectures: random ones, then mutants of the best so far."""
        codes = SPACE.sample_codes(count // 4, self.rng)
        z, y = self.measure(codes)
        while len(codes) < count:
            score = z - 0.7 * np.log10(COST.costs_of(codes)["flops"])
            parents = codes[np.argsort(-score)[:6]]
            chosen = parents[self.rng.integers(6, size=count // 8)]
            children = SPACE.mutate_codes(chosen, self.rng)
            more_z, more_y = self.measure(children)
            codes = np.vstack([codes, children])
            z, y = np.concatenate([z, more_z]), np.concatenate([y, more_y])
        return codes, y

    def effect(self, slot, choice):
        """Return the planted effect of a choice against the slot's reference."""
        start = sum(len(s.choices) for s in SLOTS[: SLOTS.index(slot)])
        at = {str(c): start + k for k, c in enumerate(slot.choices)}
        return self.effects[at[choice]] - self.effects[at[str(slot.reference)]]


def rows(codes, accuracies):
    """Return measurements as the model takes them."""
    same = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    return Data(
        accuracies,
        held(codes),
        np.log(COST.costs_of(codes)["flops"])[:, None],
        np.zeros(len(codes), dtype=int),
        same,
        distances(codes),
        CENTRE,
    )
