"""Fusion: two maps become one."""
