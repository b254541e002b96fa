"""Frames resampled so that wavelength runs along the rows."""
