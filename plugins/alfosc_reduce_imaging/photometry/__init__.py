"""Magnitudes: zero points, forced photometry, light curves."""
