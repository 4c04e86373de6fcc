"""Settings of torch for every test; they must stand before torch is imported."""

import os

# The cache of fake tensors makes a first torch.export nearly twice as slow, and each test exports
# once. Programs that tests start inherit it.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")
