"""Transforms: layers that rewrite themselves for deployment."""
