"""Upsampling: (B, C, H, W) -> (B, C, sH, sW)."""
