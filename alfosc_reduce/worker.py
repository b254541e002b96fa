"""What every worker process needs, imported once before workers are forked."""

from __future__ import annotations

import astropy.io.fits
import astropy.nddata
import astropy.table
import matplotlib.backends.backend_agg
import matplotlib.figure
import scipy.interpolate
import scipy.ndimage
import scipy.optimize
import specutils

import alfosc_reduce.labour
import alfosc_reduce.products

__all__ = ["alfosc_reduce", "astropy", "matplotlib", "scipy", "specutils"]
