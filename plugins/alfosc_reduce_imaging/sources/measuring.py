"""The sources of an image, as a table and a map."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from alfosc_reduce.images import flags_of, make_image
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.sources.measurement import Measured, measure
from alfosc_reduce_imaging.sources.table import table_of
from alfosc_reduce_imaging.stars.description import frame_name
from alfosc_reduce_imaging.stars.frame import frame_of
from alfosc_reduce_imaging.stars.psf_record import psf_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


class Sources(NamedTuple):
    """Sources, one row each, and which of them each pixel belongs to."""

    sources: QTable
    segmentation: CCDData


class MeasureSources(Step):
    """Find all sources of an image, separate them, and measure positions, shapes and fluxes.

    Sources are hills of the image smoothed with the width of a star. Their light is measured within the isophote, in
    Kron ellipses, in circles, and with an empirical point spread function that changes over the field; `flux_aper` and
    `flux_psf` are the total light of a star, wings included. Errors hold the noise of background and light and the
    correlation of neighbouring pixels of a resampled image. Empty apertures tell how deep the image is. A difference
    from `subtract_reference` brings its point spread function along, as its own stars are gone.
    """

    libraries: ClassVar[tuple[str, ...]] = ("photutils.segmentation",)

    threshold: float = Field(default=5.0, gt=0)
    """Sigma that a source must reach on the image smoothed with the width of a star."""

    smallest_area: int = Field(default=5, ge=1)
    """Pixels that a source must have."""

    background_box: int = Field(default=64, ge=8)
    """Side in pixels of the cells in which the background is measured; wider where large galaxies are."""

    def __call__(self, image: CCDData) -> Sources:
        """Return sources and segmentation map.

        Parameters
        ----------
        image
            In any unit, sky still in it or not. Without a variance the scatter of the background is taken.

        Returns
        -------
        sources : QTable
            Sorted by significance; the number in ``id`` is that in the map. See the how-to on photometry for columns.
        segmentation : CCDData
            0 for sky, else the number of the source.

        Raises
        ------
        DataError
            If no pixel is usable.
        """
        frame = frame_of(image, box=self.background_box)
        known = None
        if "NOISECOR" in image.meta:
            known = (float(image.meta["NOISECOR"]), float(image.meta.get("NOISELEN", 1.0)))
        given = psf_in(image.meta, image.shape)
        measured = measure(frame, self.threshold, self.smallest_area, known, self.background_box, given)
        _tell(measured, frame_name(image))
        table = table_of(measured, frame, image)
        table.meta["PSFGIVEN"] = given is not None
        del frame  # a hundred megabytes, while the map is made
        return Sources(table, segmentation_map(measured, image))

    def quality(self, result: Sources, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of sources, seeing, depth, aperture correction, and how well the point spread function fits."""
        table, meta = result.sources, result.sources.meta
        bright = (table["snr"] > 50) & (table["source_flags"] == 0) & (table["class_star"] > 0.3)
        chi2 = float(np.median(table["chi2_psf"][bright])) if bright.any() else float("nan")
        numbers = {
            "seeing_arcsec": meta["SEEING"],
            "seeing_pixels": meta["SEEINGPX"],
            "seeing_variation_percent": 100 * meta["SEEINGVA"],
            "ellipticity": meta["ELLIPTIC"],
            "depth_flux": meta["DEPTH5"],
            "aperture_correction": meta["APCOR"],
            "aperture_correction_error": meta["APCORERR"],
            "noise_correlation": meta["NOISECOR"],
            "psf_chi2": chi2,
        }
        finite = {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
        blended = int(np.count_nonzero(table["source_flags"] & int(SourceFlag.BLENDED)))
        return {"sources": len(table), "blended_sources": blended, "psf_stars": int(meta["PSFSTARS"]), **finite}

    def figures(self, result: Sources, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the field with its sources; growth, errors and widths; the point spread function and its residuals."""
        from alfosc_reduce_imaging.sources import figures

        yield "sources", figures.figure_of_field(inputs["image"], result.sources)
        yield "photometry", figures.figure_of_photometry(result.sources)
        if result.sources.meta["PSFSTARS"]:
            yield "psf", figures.figure_of_psf(inputs["image"], result.sources)


def segmentation_map(measured: Measured, image: CCDData) -> CCDData:
    """Return the numbers of the sources as an image with the flags of the image; numbers are exact."""
    header = image.meta.copy()
    for key in ("BUNIT", "GAIN", "RDNOISE", "SATURATE", "NOISECOR", "NOISELEN"):
        header.remove(key, ignore_missing=True)
    labels = measured.segmentation.labels
    variance = None if image.uncertainty is None else 0.0
    return make_image(labels, unit="", header=header, variance=variance, flags=flags_of(image))


def _tell(measured: Measured, name: str) -> None:
    if len(measured.x) == 0:
        logger.warning("%s: no source stands out of the noise; the image is blank, or was taken through clouds.", name)
    elif measured.psf is None:
        logger.warning("%s: no star tells the point spread function: flux_aper and flux_psf are not known (nan). All "
                       "stars are saturated, at the edge, or too faint.", name)  # fmt: skip
