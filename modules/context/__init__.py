"""Context: (B, C, H, W) -> the same, seeing many scales."""
