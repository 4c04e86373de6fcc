"""Pooling: (B, C, H, W) -> (B, F)."""
