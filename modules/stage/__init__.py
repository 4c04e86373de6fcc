"""Stages: several branches or layers that keep (B, C, H, W)."""
