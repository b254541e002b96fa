"""Frames of one field laid on each other by their stars."""
