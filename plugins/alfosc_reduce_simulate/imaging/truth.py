"""What is true of a simulated night of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable


@dataclass(frozen=True)
class ImagingTruth:
    """The truth of a night; saves to FITS like any product.

    Attributes
    ----------
    frames
        One row a frame: ``file``, ``kind`` (bias, imaging_flat, image), ``target``, ``band``, ``exposure`` (s), ``mjd``
        (middle), ``level`` (bias, ADU), and of images ``airmass``, ``seeing`` (full width at half maximum on the
        optical axis, arc seconds; 6 per cent more in the corners), ``seeing_field`` (its median over the stars on the
        frame), ``sky`` (electrons a pixel), ``fringes`` (share of the sky), ``loss`` (mag), ``zero_point`` (magnitude
        of one electron a second, for colour 0, as the flat-fielded frame has it), ``ra``, ``dec``, ``angle`` (true
        pointing of the optical axis and position angle of the rows, degrees), ``oddity``.
    sources
        The sources of every target, see `alfosc_reduce_simulate.imaging.field.sources_of`, with ``target``.
    images
        One row a source and image: ``file``, ``target``, ``source`` (its id), ``x``, ``y`` (pixels of the raw frame,
        from 0), ``ra``, ``dec`` (degrees, at the date), ``magnitude`` (in the band), ``electrons`` (expected, all).
    bands
        ``band``, ``system``, ``zero_point``, ``extinction``, ``colour_term``, ``blue``, ``red``: see
        `alfosc_reduce_simulate.imaging.bands.Band`.
    gain, read_noise, response_scatter
        Of the detector: electron/ADU, electron, relative.
    distortion, flipped
        See `alfosc_reduce_simulate.imaging.optics.Optics`.
    window, binning
        Of every frame.
    """

    frames: QTable
    sources: QTable
    images: QTable
    bands: QTable
    gain: float
    read_noise: float
    response_scatter: float
    distortion: float
    flipped: bool
    window: tuple[int, ...]
    binning: tuple[int, ...]

    def files(self, kind: str, target: str = "") -> list[str]:
        """Return the files of a kind, of one target if one is named, in the order of observation."""
        rows = zip(self.frames["file"], self.frames["kind"], self.frames["target"], strict=True)
        return [str(file) for file, found, name in rows if found == kind and target in ("", name)]

    def sources_on(self, file: str) -> QTable:
        """Return the rows of `images` of a frame joined with what `sources` tells of them."""
        rows = self.images[np.asarray(self.images["file"]) == file]
        known = self.sources[np.asarray(self.sources["target"]) == rows["target"][0]] if len(rows) else self.sources
        found = rows.copy()
        for name in known.colnames:
            if name not in found.colnames and name != "id":
                found[name] = known[name][np.asarray(found["source"]) - 1]
        return found
