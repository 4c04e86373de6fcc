"""Operators: (B, Cin, H, W) -> (B, Cout, ceil(H/s), ceil(W/s))."""
