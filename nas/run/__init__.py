"""A run: its directory, its view, its status."""
