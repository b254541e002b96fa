"""Exposures of one field made into one image."""
