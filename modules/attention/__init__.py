"""Attention: (B, C, H, W) -> the same, reweighted or mixed."""
