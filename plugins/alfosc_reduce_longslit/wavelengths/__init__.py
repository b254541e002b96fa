"""Arcs combined, and the wavelength of every pixel fitted to them."""
