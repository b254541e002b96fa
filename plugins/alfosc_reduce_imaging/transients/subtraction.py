"""A reference image subtracted: what is left is what changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import make_image
from alfosc_reduce.parameters import InputFile
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.stars.psf_record import CARD, card_of
from alfosc_reduce_imaging.transients.alignment import align, plane_of
from alfosc_reduce_imaging.transients.difference import Difference, difference_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

FEW = 12


class SubtractReference(Step):
    """Subtract a reference image of the same field, its stars made like those of the image.

    The reference is brought to the pixels of the image by the WCS of both (cubic spline). The sharper of the two is
    convolved with a kernel (Gaussians times polynomials, changing over the field) that is fitted to the stars. The
    difference has the flux scale of the image; its variance holds the noise of both and is checked against the scatter
    of the blank sky. Sources that are found on it have changed: `measure_sources`, then `find_new`. As hardly a star is
    left, the point spread function of the blunter image goes with it, in the header, for the photometry of these.
    """

    reference: InputFile | None = None
    """FITS file of the reference image, a product or of any program, with a WCS; instead of the input."""

    def __call__(self, image: CCDData, reference_image: CCDData | None = None) -> CCDData:
        """Return the difference, in the unit of the image, with its header.

        Parameters
        ----------
        image
            With a solved WCS.
        reference_image
            Of the same field and band, from any telescope.

        Raises
        ------
        DataError
            If there is no reference, no WCS, no overlap, or too few stars.
        """
        name = str(image.meta.get("FILENAME") or image.meta.get("OBJECT") or "this image")
        other = reference_image if reference_image is not None else self._from_file(name)
        if not image.data.size or not other.data.size:
            raise DataError(f"{name}: image or reference image have no pixels; give others")
        aligned, phases = align(other, image, name)
        found = difference_of(plane_of(image), aligned, phases, _noise_factors(image, other), name)
        self._tell(found, name)
        header = _header(image.meta, other.meta, found)
        return make_image(
            found.data, unit=image.unit.to_string(), header=header, variance=found.variance, flags=found.flags
        )

    def _from_file(self, name: str) -> CCDData:
        if self.reference is None:
            raise DataError(f"{name}: no reference image; give one as input or as params.reference")
        from alfosc_reduce_imaging.transients.reference_file import read_reference

        return read_reference(self.reference)

    def _tell(self, found: Difference, name: str) -> None:
        if found.stamps < FEW:
            _log.warning(
                "%s: only %d stars match its image to the reference; the kernel is the same over the field.",
                name,
                found.stamps,
            )
        if not 0.9 < found.noise < 1.1:
            _log.warning(
                "%s: the blank sky of the difference scatters by %.2f times what the noise of both images says; its "
                "variance is scaled to that.", name, found.noise,
            )  # fmt: skip

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return flux ratio, stars, fit and noise of the subtraction."""
        header = result.meta
        return {
            "difference_flux_ratio": float(header["DIFFRAT"]),
            "difference_stars": int(header["DIFFSTAR"]),
            "difference_chi2": float(header["DIFFCHI2"]),
            "difference_noise": float(header["DIFFNOIS"]),
            "difference_convolved": str(header["DIFFCONV"]),
            "difference_covered": float(np.mean(~np.asarray(result.mask))),
        }

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield image and difference side by side, with the histogram of the noise."""
        from alfosc_reduce_imaging.transients.subtraction_figures import figure_of_difference

        yield "difference", figure_of_difference(inputs["image"], result)


def _noise_factors(image: CCDData, reference: CCDData) -> tuple[float, float]:
    """Return by what sums over many pixels are noisier than their variances say, of both images."""
    first, second = (max(1.0, float(one.meta.get("NOISECOR", 1.0))) for one in (image, reference))
    return first, second


def _header(own: Header, other: Header, found: Difference) -> Header:
    header = own.copy()
    header["DIFFREF"] = str(other.get("FILENAME") or other.get("OBJECT") or "?")[:66]
    header["DIFFRAT"] = (round(found.ratio, 8), "flux of a star here / in the reference")
    header["DIFFSTAR"] = (found.stamps, "stars that gave the kernel")
    header["DIFFCHI2"] = (round(found.chi2, 4), "median reduced chi squared of these")
    header["DIFFNOIS"] = (round(found.noise, 4), "scatter of blank sky / expected")
    header["DIFFCONV"] = (found.convolved, "which of the two was convolved")
    header["DIFFFWHM"] = (round(found.fwhm, 4), "[pix] width of a star at half maximum")
    header["DIFFBETA"] = (round(found.beta, 4), "exponent of its Moffat profile")
    if found.psf is not None:
        header[CARD] = card_of(found.psf)
    header["NOISECOR"] = (round(found.noise_factor, 5), "noise of large sums / naive error")
    header["NOISELEN"] = (round(found.noise_length, 4), "[pix] size at which it sets in")
    return header
