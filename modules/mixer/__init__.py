"""Mixers: tokens (B, N, C) with size=(H, W) -> (B, N, C)."""
