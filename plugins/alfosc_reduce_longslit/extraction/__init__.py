"""Spectra of the objects on a slit, weighted by their profile or summed."""
