"""Forced photometry: the light at given positions of an image, seen or not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import Arcsec, InputFile, to_pixels
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.photometry.calibration import calibration_of, magnitudes, seconds_of
from alfosc_reduce_imaging.photometry.forced_fluxes import Forced, force
from alfosc_reduce_imaging.photometry.forced_positions import Positions, positions_of_table, positions_of_texts
from alfosc_reduce_imaging.stars.description import description, frame_name, pixel_scale
from alfosc_reduce_imaging.stars.frame import frame_of
from alfosc_reduce_imaging.stars.psf_record import psf_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)


class ForcePhotometry(Step):
    """Measure the light at given positions of an image, whether or not something is seen there.

    Each position is measured in a circle and with the point spread function of the image, both on the scale of the
    total light of a star and less the light of a ring around it; detected neighbours are fitted together with it. Where
    nothing stands out, upper limits say how bright a source would have been noticed. Magnitudes are added if the image
    has a zero point.
    """

    positions: tuple[str, ...] = ()
    """Where to measure: each "RA DEC" in degrees or as hours and degrees, or "X Y pix"; with a name before as in
    "SN: 12 42 36.4 -40 44 46". Without any, those of `file`, else of the input `sources`."""

    file: InputFile | None = None
    """A table (ECSV, CSV, VOTable, FITS) with columns ra and dec in degrees, or x and y in pixels, and perhaps name."""

    aperture: Arcsec | None = None
    """Radius of the circle; the FWHM of the seeing if not given."""

    centre: bool = False
    """Let the position of what is bright enough move to its centre."""

    sigma: float = Field(default=3.0, gt=0)
    """Significance of a detection and of the upper limits."""

    def __call__(self, image: CCDData, sources: QTable | None = None) -> QTable:
        """Return one row a position, in the order given.

        Parameters
        ----------
        image
            In any unit.
        sources
            Its ``ra``, ``dec`` (else ``x``, ``y``) are the positions, if none are given as parameters.

        Returns
        -------
        QTable
            ``name``, ``ra``, ``dec``, ``x``, ``y``, ``flux_aper``, ``flux_psf`` (total), ``flux_aper_1`` (within the
            circle), their errors, ``flux_limit``, ``detected``, ``chi2_psf``, ``background``, ``flags``,
            ``source_flags``; with a zero point also ``mag_aper``, ``mag_psf``, their errors, and ``mag_limit``.

        Raises
        ------
        DataError
            If there are no positions, they cannot be read, or no pixel is usable.
        """
        name = frame_name(image)
        places = self._places(image, sources, name)
        radius = None if self.aperture is None else to_pixels(self.aperture, _scale(image, name))
        known = None
        if "NOISECOR" in image.meta:
            known = (float(image.meta["NOISECOR"]), float(image.meta.get("NOISELEN", 1.0)))
        given = psf_in(image.meta, image.shape)
        forced = force(frame_of(image), places.x, places.y, radius, centre=self.centre, correlation=known, given=given)
        _tell(forced, places, name)
        return with_magnitudes(table_of(forced, places, image, self.sigma), image)

    def _places(self, image: CCDData, sources: QTable | None, name: str) -> Positions:
        if self.positions:
            return positions_of_texts(self.positions, image.meta, name)
        if self.file is not None:
            from alfosc_reduce.products.foreign import read_table

            return positions_of_table(read_table(self.file), image.meta, name)
        if sources is None:
            raise DataError(
                f"{name}: no positions to measure at; give positions, a file with them, or a table of sources"
            )
        return positions_of_table(sources, image.meta, name)

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of positions and detections, and of the first position flux, error and magnitude."""
        told: dict[str, float | int | str | bool | None] = {
            "positions": len(result),
            "detected": int(np.count_nonzero(result["detected"])),
        }
        for name in ("flux_psf", "flux_psf_error", "flux_limit", "mag_psf", "mag_psf_error", "mag_limit"):
            if name in result.colnames and len(result):
                value = float(result[name][0].value)
                told[f"first_{name}"] = value if np.isfinite(value) else None
        return told

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the surroundings of the first positions with circle and ring."""
        from alfosc_reduce_imaging.photometry.forced_figures import figure_of_positions

        if len(result):
            yield "positions", figure_of_positions(inputs["image"], result)


def _scale(image: CCDData, name: str) -> float:
    scale = pixel_scale(image.meta)
    if not np.isfinite(scale):
        raise DataError(f"{name}: no PIXSCALE and no WCS; give the aperture in pixels ('5 pix')")
    return scale


def table_of(forced: Forced, places: Positions, image: CCDData, sigma: float) -> QTable:
    """Return fluxes at positions as a table."""
    import astropy.units as u
    from astropy.table import QTable

    unit = u.Unit(image.unit)
    aperture, aperture_error = forced.circle / forced.share, forced.circle_error / forced.share
    best, error = np.where(np.isfinite(forced.psf), (forced.psf, forced.psf_error), (aperture, aperture_error))
    meta = description(image) | {
        "APRADIUS": forced.radius, "SEEINGPX": forced.fwhm, "SEEING": forced.fwhm * pixel_scale(image.meta),
        "SIGMA": sigma, "UNIT": str(image.unit), "PHOTON": forced.photon,
    }  # fmt: skip
    table = QTable({"name": np.array(places.names, dtype=str)}, meta=meta)
    if np.isfinite(places.ra).any():
        table["ra"], table["dec"] = places.ra * u.deg, places.dec * u.deg
    table["x"], table["y"] = forced.x * u.pix, forced.y * u.pix
    fluxes = {
        "flux_aper": aperture,
        "flux_aper_error": aperture_error,
        "flux_psf": forced.psf,
        "flux_psf_error": forced.psf_error,
        "flux_aper_1": forced.circle,
        "flux_aper_1_error": forced.circle_error,
        "flux_limit": np.maximum(best, 0) + sigma * error,
        "background": forced.background,
    }
    for name, value in fluxes.items():
        table[name] = value * unit
    table["detected"] = np.nan_to_num(best / error, nan=-1.0) > sigma
    table["chi2_psf"] = forced.chi2
    table["flags"], table["source_flags"] = forced.flags, forced.source_flags
    return table


def with_magnitudes(table: QTable, image: CCDData) -> QTable:
    """Return `table` with magnitudes, if the image has a zero point: for the typical colour of its stars."""
    import astropy.units as u

    calibration = calibration_of(image.meta)
    if calibration is None:
        return table
    seconds, zero_point = seconds_of(image.unit, image.meta, frame_name(image)), calibration.typical_zero_point
    for kind in ("aper", "psf"):
        flux, error = (table[f"flux_{kind}{end}"].value / seconds for end in ("", "_error"))
        value, noise = magnitudes(flux, error, zero_point)
        table[f"mag_{kind}"], table[f"mag_{kind}_error"] = value * u.mag, noise * u.mag
    limit: NDArray[np.float64] = table["flux_limit"].value / seconds
    table["mag_limit"] = magnitudes(limit, limit, zero_point)[0] * u.mag
    table.meta |= {"MAGZP": zero_point, "MAGSYS": calibration.system, "MAGBAND": calibration.band}
    return table


def _tell(forced: Forced, places: Positions, name: str) -> None:
    outside = [text for text, lost in zip(places.names, np.isnan(forced.circle), strict=True) if lost]
    if outside:
        logger.warning("%s: %d of %d positions lie outside the image: %s.", name, len(outside), len(places.names),
                       ", ".join(outside[:10]))  # fmt: skip
    if len(places.names) and np.isnan(forced.share).all() and len(outside) < len(places.names):
        logger.warning("%s: no star tells the point spread function: only flux_aper_1, the light within the circle, is "
                       "known.", name)  # fmt: skip
