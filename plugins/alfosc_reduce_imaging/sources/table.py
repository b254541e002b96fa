"""What was measured on the sources of an image as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce.images import flags_of
from alfosc_reduce_imaging.sources.columns import describe
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.sources.measurement import MAIN, is_shallow
from alfosc_reduce_imaging.stars.description import description, pixel_scale
from alfosc_reduce_imaging.stars.moments import angle_of, axes_of
from alfosc_reduce_imaging.stars.psf_record import record_of
from alfosc_reduce_imaging.stars.stamps import stamps_at
from alfosc_reduce_imaging.stars.variation import width_variation

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.sources.measurement import Measured
    from alfosc_reduce_imaging.stars.frame import Frame

_FOREIGN = 0.05
_SHARP = 0.7
_SHARP_SNR = 10.0
_WIDTH_ERROR = 0.06


def table_of(measured: Measured, frame: Frame, image: CCDData) -> QTable:
    """Return the sources, with units, descriptions and UCDs, and in ``meta`` what is known of the image."""
    import astropy.units as u
    from astropy.table import QTable

    unit = u.Unit(image.unit)
    columns: dict[str, Any] = {"id": np.arange(1, len(measured.x) + 1, dtype=np.int32)}
    columns |= {name: value * u.pix for name, value in _lengths(measured).items()}
    columns["theta"] = angle_of(measured.isophotes.xx, measured.isophotes.xy, measured.isophotes.yy) * u.deg
    columns["ellipticity"] = 1 - columns["b"].value / columns["a"].value
    columns |= _pixels(measured)
    columns |= {name: value * unit for name, value in _fluxes(measured, frame).items()}
    columns |= _judgements(measured)
    columns["flags"], columns["source_flags"] = all_flags(measured, frame, image)
    columns |= sky_positions(measured, image)
    table = QTable(columns, meta=meta_of(measured, image))
    describe(table)
    return table


def _lengths(measured: Measured) -> dict[str, NDArray[np.float64]]:
    """Return positions and sizes in pixels."""
    shapes, moments, fit = measured.isophotes, measured.moments, measured.psf_fluxes
    a, b = axes_of(shapes.xx, shapes.xy, shapes.yy)
    poor = np.sqrt(shapes.variance) / np.maximum(shapes.flux, 1e-30)
    own = {"x": moments.dx_error, "y": moments.dy_error}
    errors = {
        name: np.where(moments.settled, error, size * poor)
        for (name, error), size in zip(own.items(), (np.sqrt(shapes.xx), np.sqrt(shapes.yy)), strict=True)
    }
    area = 4 * np.pi * (measured.fwhm / 2.3548) ** 2
    factor = measured.noise.factor(area)
    nothing = np.full(len(measured.x), np.nan)
    return {
        "x": measured.x, "y": measured.y, "x_error": errors["x"] * factor, "y_error": errors["y"] * factor,
        "a": a, "b": b, "fwhm": widths(measured),
        "x_psf": nothing if fit is None else fit.x, "y_psf": nothing if fit is None else fit.y,
        "x_psf_error": nothing if fit is None else fit.x_error, "y_psf_error": nothing if fit is None else fit.y_error,
    }  # fmt: skip


def widths(measured: Measured) -> NDArray[np.float64]:
    """Return full widths at half maximum: the matched Gaussian's, on the scale of the seeing where there are stars."""
    seeing = measured.stars.seeing
    scale = seeing.fwhm / seeing.size if seeing.number else 2.3548
    return np.where(measured.moments.settled, measured.moments.size * scale, np.nan)


def _pixels(measured: Measured) -> dict[str, NDArray[np.int32]]:
    shapes = measured.isophotes
    counts = {"area": shapes.area, "xmin": shapes.xmin, "xmax": shapes.xmax, "ymin": shapes.ymin, "ymax": shapes.ymax}
    return {name: value.astype(np.int32) for name, value in counts.items()}


def _fluxes(measured: Measured, frame: Frame) -> dict[str, NDArray[np.float64]]:
    """Return all fluxes and levels in the image's unit."""
    shapes, apertures, kron, fit = measured.isophotes, measured.apertures, measured.kron, measured.psf_fluxes
    factor = measured.noise.factor(shapes.area.astype(np.float64))
    nothing = np.full(len(measured.x), np.nan)
    whole = [np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((measured.y, measured.x), frame.level.shape,
                                                                         strict=True)]  # fmt: skip
    columns = {
        "peak": shapes.peak,
        "background": frame.level[whole[0], whole[1]].astype(np.float64),
        "flux_iso": shapes.flux,
        "flux_iso_error": np.sqrt(shapes.variance) * factor,
        "flux_auto": kron.flux,
        "flux_auto_error": kron.error,
    }
    for i in range(len(measured.radii)):
        columns[f"flux_aper_{i + 1}"] = apertures.flux[:, i]
        columns[f"flux_aper_{i + 1}_error"] = apertures.error[:, i]
    share = measured.enclosed[:, MAIN]
    columns["flux_aper"], columns["flux_aper_error"] = apertures.flux[:, MAIN] / share, apertures.error[:, MAIN] / share
    columns["flux_psf"] = nothing if fit is None else fit.flux
    columns["flux_psf_error"] = nothing if fit is None else fit.error
    return columns


def _judgements(measured: Measured) -> dict[str, NDArray[np.float64]]:
    """Return what has no unit."""
    fit, apertures = measured.psf_fluxes, measured.apertures
    return {
        "kron_radius": measured.kron.radius,
        "aperture_correction": 1 / measured.enclosed[:, MAIN],
        "chi2_psf": np.full(len(measured.x), np.nan) if fit is None else fit.chi2,
        "significance": measured.segmentation.significance,
        "snr": apertures.flux[:, MAIN] / np.maximum(apertures.error[:, MAIN], 1e-30),
        "class_star": stellarity(measured),
    }


def stellarity(measured: Measured) -> NDArray[np.float64]:
    """Return how well each width agrees with that of a star within its error: 1 at best; NaN without stars."""
    seeing = measured.stars.seeing
    if not seeing.number:
        return np.full(len(measured.x), np.nan)
    error = np.hypot(_WIDTH_ERROR, 1 / np.maximum(measured.segmentation.significance, 1))
    ratio = np.log(np.maximum(measured.moments.size, 0.1) / seeing.size)
    return np.where(measured.moments.settled, np.exp(-0.5 * np.square(ratio / error)), 0.0)


def all_flags(measured: Measured, frame: Frame, image: CCDData) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Return the flags of the pixels of each source, and what may be wrong with it."""
    pixels, number = flags_of(image), len(measured.x)
    labels = measured.segmentation.labels
    bits = np.zeros(number + 1, np.int16)
    own = pixels != 0
    np.bitwise_or.at(bits, labels[own], pixels[own])
    bits = bits[1:]
    out = np.zeros(number, np.int32)
    for flag, mark in (
        (Flag.SATURATED, SourceFlag.SATURATED), (Flag.COSMIC_RAY, SourceFlag.COSMIC_RAY),
        (Flag.NONLINEAR, SourceFlag.NONLINEAR), (Flag.OUTSIDE_FIELD, SourceFlag.EDGE),
        (Flag.OUTSIDE_DETECTOR, SourceFlag.EDGE),
    ):  # fmt: skip
        out[(bits & int(flag)) != 0] |= int(mark)
    out |= _around(measured, frame, pixels)
    out[measured.segmentation.blended] |= int(SourceFlag.BLENDED)
    out[at_centres(is_shallow(measured.noise.sky, frame.light.good), measured)] |= int(SourceFlag.SHALLOW)
    seeing = measured.stars.seeing
    narrow = measured.moments.size < _SHARP * seeing.size
    out[narrow & (measured.segmentation.significance > _SHARP_SNR)] |= int(SourceFlag.SHARP)
    if measured.psf_fluxes is not None:
        out[~measured.psf_fluxes.settled] |= int(SourceFlag.BAD_FIT)
    return bits, out


def _around(measured: Measured, frame: Frame, pixels: NDArray[np.int16]) -> NDArray[np.int32]:
    """Return the flags that the main aperture of each source gives: the edge, masked pixels, neighbours."""
    radius = int(np.ceil(measured.radii[MAIN]))
    whole = np.rint(measured.x).astype(np.int64), np.rint(measured.y).astype(np.int64)
    span = np.arange(-radius, radius + 1)
    disc = np.hypot(span, span[:, None]) <= radius
    outside = int(Flag.OUTSIDE_FIELD | Flag.OUTSIDE_DETECTOR)
    bits = np.where(disc, stamps_at(pixels, *whole, radius, outside), 0)
    edge = ((bits & outside) != 0).any((1, 2))
    lost = (~stamps_at(frame.light.good, *whole, radius, True) & disc & ((bits & outside) == 0)).any((1, 2))
    label = stamps_at(measured.segmentation.labels, *whole, radius, 0)
    own = np.arange(1, len(measured.x) + 1)[:, None, None]
    others = np.count_nonzero(disc & (label > 0) & (label != own), axis=(1, 2)) > _FOREIGN * disc.sum()
    flags = np.where(edge, int(SourceFlag.EDGE), 0) | np.where(lost, int(SourceFlag.MASKED), 0)
    return np.asarray(flags | np.where(others, int(SourceFlag.NEIGHBOUR), 0), np.int32)


def at_centres(plane: NDArray[np.bool_], measured: Measured) -> NDArray[np.bool_]:
    """Return the values of an image at the pixels where sources are; the nearest for those beyond an edge."""
    places = zip((measured.y, measured.x), plane.shape, strict=True)
    y, x = (np.clip(np.rint(place).astype(int), 0, size - 1) for place, size in places)
    return np.asarray(plane[y, x])


def sky_positions(measured: Measured, image: CCDData) -> dict[str, Any]:
    """Return right ascension and declination, if the image has a WCS that was solved for it.

    The WCS of a raw frame of ours, from the pointing, is only approximate: `solve_wcs` puts positions in.
    """
    import astropy.units as u

    header = image.meta
    solved = "WCSRMS" in header or "FRAMEKND" not in header
    if not solved or not str(header.get("CTYPE1", "")).startswith("RA--"):
        return {}
    from alfosc_reduce_imaging.sources.sky import world

    ra, dec = world(header, measured.x, measured.y)
    return {"ra": ra * u.deg, "dec": dec * u.deg}


def meta_of(measured: Measured, image: CCDData) -> dict[str, Any]:
    """Return what is known of the image, plain values."""
    seeing, empty = measured.stars.seeing, measured.empty
    share = float(np.nanmedian(measured.enclosed[:, MAIN])) if len(measured.x) and measured.psf else float("nan")
    correction = correction_error(measured)
    chosen = measured.stars.is_star
    x, y = measured.stars.x[chosen], measured.stars.y[chosen]
    size = np.sqrt(np.prod(axes_of(measured.stars.xx, measured.stars.xy, measured.stars.yy), axis=0))[chosen]
    change = width_variation(x, y, size, (image.shape[0], image.shape[1]))
    record = {} if measured.psf is None else {"PSF": record_of(measured.psf)}
    return (
        description(image)
        | record
        | {
            "UNIT": str(image.unit),
            "SEEING": seeing.fwhm * pixel_scale(image.meta),
            "SEEINGPX": seeing.fwhm,
            "SEEINGVA": change.share,
            "ELLIPTIC": seeing.ellipticity,
            "THETA": seeing.theta,
            "BETA": float(np.exp(measured.psf.profile[0, 3])) if measured.psf else float("nan"),
            "PSFSTARS": measured.psf.number if measured.psf else 0,
            "APERTURES": [float(radius) for radius in measured.radii],
            "APMAIN": float(measured.radii[MAIN]),
            "APCOR": 1 / share,
            "APCORERR": correction,
            "DEPTH5": 5 * float(empty.scatter[MAIN]) / share,
            "DEPTHAP": float(measured.radii[MAIN]),
            "DEPTHN": empty.number,
            "NOISECOR": measured.noise.correlation,
            "NOISELEN": measured.noise.length,
            "PHOTON": measured.noise.photon,
            "SKY": measured.stars.sky,
            "SKYNOISE": measured.stars.sky_noise,
        }
    )


def correction_error(measured: Measured) -> float:
    """Return the relative error of the aperture correction: the bright stars' scatter between two apertures."""
    rows = bright_stars(measured)
    if len(rows) < 3:
        return float("nan")
    total = measured.apertures.flux[rows] / measured.enclosed[rows]
    ratio = total[:, MAIN] / total[:, -1]
    weight = np.square(measured.apertures.flux[rows, -1] / measured.apertures.error[rows, -1])
    mean = np.average(ratio, weights=weight)
    return float(np.sqrt(np.sum(np.square(weight * (ratio - mean)))) / weight.sum())


def bright_stars(measured: Measured) -> NDArray[np.int64]:
    """Return the sources that tell the growth of stars: alone, clean, bright, of the width of a star."""
    widest = measured.apertures.foreign[:, -1] < 0.02
    error = measured.apertures.error[:, -1] < 0.02 * measured.apertures.flux[:, -1]
    stellar = stellarity(measured) > 0.1
    number = np.flatnonzero(widest & error & stellar & ~measured.segmentation.blended)
    return number[:50]
