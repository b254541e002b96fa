"""What every worker process needs, imported once before workers are forked, so that they share the memory of it.

What only some nights need is imported before this (`alfosc_reduce.pools.get_ready`).
"""

from __future__ import annotations

import contextlib
import gc

import astropy.coordinates
import astropy.io.fits
import astropy.nddata
import astropy.table
import matplotlib.backends.backend_agg
import matplotlib.figure
import PIL.PngImagePlugin
import PIL.WebPImagePlugin
import scipy.interpolate
import scipy.ndimage
import scipy.optimize

import alfosc_reduce.labour
import alfosc_reduce.products
from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.registry import STEPS, load_plugin, plugins

__all__ = ["PIL", "alfosc_reduce", "astropy", "matplotlib", "scipy"]

for name in plugins(STEPS):
    with contextlib.suppress(ConfigurationError):  # a broken plugin is told of when it is used
        load_plugin(STEPS, name)
# The collector would write into every object that the workers share, and so copy it.
gc.freeze()
