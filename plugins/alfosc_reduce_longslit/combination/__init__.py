"""Spectra and frames of several exposures as one."""
