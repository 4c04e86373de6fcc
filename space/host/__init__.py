"""Hosts: the user's own network, where something can be plugged in, and the plugging."""
