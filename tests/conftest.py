"""Settings of torch for every test; they must stand before torch is imported."""

import os

# The cache of fake tensors makes a first torch.export nearly twice as slow, and each test exports
# once. Programs that tests start inherit it.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")

import logging

import torch  # noqa: F401  it sets its loggers up when it is imported

# pytest listens to every logger that does not pass its records on, and torch, once somebody listens
# to its trace, writes down each step of an export, which makes exports a sixth slower.
logging.getLogger("torch.__trace").propagate = True
