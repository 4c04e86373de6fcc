"""Activations: elementwise."""
