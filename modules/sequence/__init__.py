"""Sequence modules: (B, C, T) -> the same."""
