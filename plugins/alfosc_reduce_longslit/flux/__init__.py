"""Spectra and frames in units of flux density."""
