"""Flat fields of a camera, and the part of a field that gets light."""
