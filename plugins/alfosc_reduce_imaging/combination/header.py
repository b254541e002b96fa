"""What the header of a combined image says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import mask_of
from alfosc_reduce.images import header_wcs
from alfosc_reduce.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header

    from alfosc_reduce_imaging.combination.exposures import Exposure
    from alfosc_reduce_imaging.combination.grid import Grid
    from alfosc_reduce_imaging.combination.stacking import Stack

OF_ONE_FRAME = (
    "TRIMSEC", "BIASSEC", "BIASSEC2", "DETSEC", "OVSCLEV", "OVSCNOIS", "GAINHDR", "RDNHDR", "LINMAX", "FRINGAMP",
    "DATE-OBS", "NREJECT", "BUNIT",
)  # fmt: skip
"""Cards that are true of one frame only."""

NAME = 30
"""Characters of a frame's name that its card holds."""
_OF_WCS = re.compile(
    r"WCSAXES|(CTYPE|CRVAL|CRPIX|CUNIT|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|LONPOLE|LATPOLE|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
)


def combined_header(exposures: Sequence[Exposure], reference: Exposure, grid: Grid, stack: Stack) -> Header:
    """Return the header of a combination.

    Parameters
    ----------
    exposures
        That went in.
    reference
        The frame that gives the names, and the WCS if it has one.
    grid
        Of the result.
    stack
        The result.
    """
    header = reference.header.copy()
    for key in OF_ONE_FRAME:
        header.remove(key, ignore_missing=True, remove_all=True)
    _set_wcs(header, exposures, reference, grid)
    name = "_".join(part for part in (str(header.get(key, "")).strip() for key in ("OBJECT", "FILTER")) if part)
    header["FILENAME"] = (safe_name(name) if name else reference.name, "combined image")
    _set_times(header, exposures)
    _set_levels(header, exposures)
    header["NCOMBINE"] = (len(exposures), "frames combined")
    header["REJFRAC"] = (round(stack.rejected / max(stack.rejected + stack.used, 1), 8), "fraction of values rejected")
    for i, one in enumerate(exposures, start=1):
        header[f"FR{i:03d}"] = (one.name[:NAME], f"weight {_share(exposures, one):.4f}, {one.offset:+.3f} mag")
    return header


def _share(exposures: Sequence[Exposure], one: Exposure) -> float:
    return one.noise_weight / sum(other.noise_weight for other in exposures)


def _set_times(header: Header, exposures: Sequence[Exposure]) -> None:
    """Set exposure times, and the means of time and air mass with the weights of the frames."""
    from astropy.time import Time

    seconds = [one.seconds for one in exposures]
    if np.isfinite(seconds).all():
        header["EXPTIME"] = (float(sum(seconds)), "[s] total of the frames")
        header["EXPMEAN"] = (float(np.mean(seconds)), "[s] mean of a frame")
    for key, comment in (("MJD-AVG", "weighted mean of the frames"), ("AIRMASS", "weighted mean of the frames")):
        known = [(float(one.header[key]), _share(exposures, one)) for one in exposures if _is_number(one, key)]
        header.remove(key, ignore_missing=True)
        if len(known) == len(exposures):
            values, shares = zip(*known, strict=True)
            header[key] = (float(np.average(values, weights=shares)), comment)
    header.remove("DATE-AVG", ignore_missing=True)
    if "MJD-AVG" in header:
        header["DATE-AVG"] = (Time(header["MJD-AVG"], format="mjd").isot, "weighted mean of the frames, UTC")


def _set_levels(header: Header, exposures: Sequence[Exposure]) -> None:
    """Set sky, seeing, and what gain, read noise and saturation the combination has."""
    shares = np.array([_share(exposures, one) for one in exposures])
    sky = np.array([one.sky.level * one.magnification for one in exposures])
    header["SKYRATE"] = (float(np.sum(shares * sky)), "sky that was taken off")
    for key, values in (("SEEING", [one.seeing for one in exposures]), ("SEEINGPX", [one.fwhm for one in exposures])):
        header.remove(key, ignore_missing=True)
        if np.isfinite(values).all():
            unit = "arcsec" if key == "SEEING" else "pix"
            header[key] = (round(float(np.sum(shares * values)), 4), f"[{unit}] weighted mean of the frames")
    factors = np.array([one.magnification for one in exposures])
    tops = [(float(one.header["SATURATE"]) - one.sky.level) * factor
            for one, factor in zip(exposures, factors, strict=True) if _is_number(one, "SATURATE")]  # fmt: skip
    if tops:
        header["SATURATE"] = (float(min(tops)), "lowest of the frames, without sky")
    gain = float(1 / np.sum(shares**2 * factors))
    noises = [float(one.header["RDNOISE"]) if _is_number(one, "RDNOISE") else np.nan for one in exposures]
    header.remove("RDNOISE", ignore_missing=True)
    if "electron" in exposures[0].unit:
        header["GAIN"] = (gain, "electron over image unit, of the combination")
        if np.isfinite(noises).all():
            total = gain * float(np.sqrt(np.sum((shares * factors * noises) ** 2)))
            header["RDNOISE"] = (total, "[electron] a pixel, of the combination")
    else:
        header.remove("GAIN", ignore_missing=True)


def depth_gain(exposures: Sequence[Exposure], stack: Stack, noise: float) -> float:
    """Return by how many magnitudes fainter stars show at the same significance than in the best of the frames.

    Parameters
    ----------
    exposures, stack
        What was combined, and the result.
    noise
        ``NOISECOR`` of the result.
    """
    sample = (slice(None, None, max(1, min(stack.data.shape) // 600)),) * 2
    clean = stack.variance[sample][~mask_of(stack.flags[sample])]
    if not clean.size:
        return 0.0
    # Objects only add variance, rims of the field have more: what is typical of the better half is of blank pixels.
    pixel = float(np.quantile(clean, 0.25))
    best = min(one.sky_variance * one.scale**2 / one.area for one in exposures)
    return float(1.25 * np.log10(max(best, 1e-30) / max(pixel * noise**2, 1e-30)))


def _set_wcs(header: Header, exposures: Sequence[Exposure], reference: Exposure, grid: Grid) -> None:
    """Set the WCS of the grid: that of the reference, or of another frame moved to the grid."""
    known = [one for one in (reference, *exposures) if header_wcs(one.header) is not None]
    if not known:
        return
    turned = not np.array_equal(known[0].place.matrix, np.eye(2))
    if known[0] is not reference or turned:
        _take_wcs(header, known[0])
    else:
        header["CRPIX1"] += float(reference.place.offset[0])
        header["CRPIX2"] += float(reference.place.offset[1])
    header["CRPIX1"] -= grid.x0
    header["CRPIX2"] -= grid.y0


def _take_wcs(header: Header, exposure: Exposure) -> None:
    """Set the WCS of a frame, as seen from the reference's pixels; its distortion is left behind."""
    wcs = header_wcs(exposure.header)
    for key in [key for key in header if _OF_WCS.fullmatch(key)]:
        del header[key]
    assert wcs is not None
    header["CRPIX1"], header["CRPIX2"] = (float(n) for n in exposure.place([wcs.wcs.crpix - 1])[0] + 1)
    matrix = wcs.pixel_scale_matrix @ exposure.place.inverse().matrix
    for i in (0, 1):
        header[f"CTYPE{i + 1}"] = str(wcs.wcs.ctype[i]).removesuffix("-SIP")
        header[f"CUNIT{i + 1}"] = "deg"
        header[f"CRVAL{i + 1}"] = float(wcs.wcs.crval[i])
        for j in (0, 1):
            header[f"CD{i + 1}_{j + 1}"] = float(matrix[i, j])


def _is_number(exposure: Exposure, key: str) -> bool:
    value = exposure.header.get(key)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))
