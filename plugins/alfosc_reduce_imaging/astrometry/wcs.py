"""The map of an image to the sky, from its stars and a reference catalogue."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import astropy.units as u
import numpy as np
from pydantic import Field

from alfosc_reduce import Step
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image, stored_variance
from alfosc_reduce.parameters import Angle
from alfosc_reduce_imaging.astrometry.header import header_with
from alfosc_reduce_imaging.astrometry.matching import FEWEST, Detected, Known, Search, Solution, solve, vote
from alfosc_reduce_imaging.astrometry.quality import numbers_of, summary_of
from alfosc_reduce_imaging.astrometry.sky_columns import with_sky
from alfosc_reduce_imaging.astrometry.stars import detected_of, known_of
from alfosc_reduce_imaging.astrometry.start import Start, start_of
from alfosc_reduce_imaging.patterns.matching import SIGNIFICANCE, Best

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)


class Astrometry(NamedTuple):
    """An image with its map of the sky in the header, and its sources with their places on the sky."""

    image: CCDData
    sources: QTable


class SolveWcs(Step):
    """Find where an image lies on the sky, from its sources and a reference catalogue.

    The header only says where to begin. Pairs of bright stars vote for rotation, scale and offset; what they agree on
    is taken only if chance would not bring as many stars together. The map is a tangential projection, with distortion
    (TAN-SIP) of a degree that the stars left out of the fit justify. Catalogue stars are moved to the date of the
    image.
    """

    pointing_error: Angle = 3 * u.arcmin
    """How far the header's position may be off."""

    rotation_error: Angle = 6 * u.deg
    """How far the orientation of the header may be off; if nothing is found, all are tried, mirrored too."""

    scale_error: float = Field(default=0.04, gt=0, le=0.5)
    """How far the scale of the header may be off, as a fraction."""

    degree: int | None = Field(default=None, ge=1, le=5)
    """Degree of the map: 1 is a plain tangential projection; none leaves it to the stars."""

    position: str | None = None
    """Where the middle of the image is, "RA DEC" in degrees or as "hh:mm:ss dd:mm:ss", if the header does not say."""

    pixel_scale: Angle | None = None
    """Angle on the sky of a pixel, if the header does not say."""

    def __call__(self, image: CCDData, sources: QTable, reference: QTable) -> Astrometry:
        """Return the image with its map in the header, and the sources with ``ra``, ``dec`` and their matches.

        Parameters
        ----------
        image
            With a rough celestial WCS in the header, or ``RA``, ``DEC`` and ``PIXSCALE``.
        sources
            From ``measure_sources`` (or stars from ``find_stars``).
        reference
            A catalogue of the field.

        Raises
        ------
        DataError
            If no match is beyond doubt; with what was tried and a figure of it.
        """
        _check(image, sources, reference)
        start = self.start(image, reference)
        detected, known = detected_of(sources), known_of(reference, image.meta)
        best, tolerance = vote(detected, known, start, self.search())
        solution = None
        if best.believed and best.match is not None:
            solution = _solved(detected, known, start, best, tolerance, self.degree)
        if solution is None:
            raise refusal(image, start, detected, known, best)
        return result_of(image, sources, reference, start, detected, known, solution)

    def start(self, image: CCDData, reference: QTable) -> Start:
        """Return where the search begins."""
        place = None
        if self.position is not None:
            from alfosc_reduce.field import position

            found = position(self.position, "position")
            place = float(found.ra.deg), float(found.dec.deg)
        scale = None if self.pixel_scale is None else float(self.pixel_scale.to_value(u.arcsec))
        return start_of(image, reference, place, scale)

    def search(self) -> Search:
        """Return the limits of the search."""
        return Search(self.pointing_error.to_value(u.arcsec), self.rotation_error.to_value(u.rad), self.scale_error)

    def quality(self, result: Astrometry, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how well the stars fit, how many there are, and how far off the header was."""
        return numbers_of(result.sources.meta["ASTROMETRY"])

    def figures(self, result: Astrometry, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the residuals over the field and against everything, and the matched stars on the image."""
        from alfosc_reduce_imaging.astrometry.figures import figure_of_field, figure_of_residuals

        yield "residuals", figure_of_residuals(result.image, result.sources)
        yield "field", figure_of_field(result.image, result.sources, inputs["reference"])


def _check(image: CCDData, sources: QTable, reference: QTable) -> None:
    name = image.meta.get("FILENAME", "this image")
    for what, table, wanted in (("sources have", sources, "x, y"), ("catalogue has", reference, "ra, dec")):
        if not set(wanted.split(", ")) <= set(table.colnames):
            raise DataError(f"{name}: the {what} no columns {wanted} (they are: {', '.join(table.colnames)})")


def _solved(
    detected: Detected, known: Known, start: Start, best: Best, tolerance: float, degree: int | None
) -> Solution | None:
    """Return the solution behind a vote; None if the stars of the vote do not hold a map."""
    if best.match is None or len(best.match.pairs) < FEWEST:
        return None
    try:
        return solve(detected, known, start, best.match, tolerance, degree)
    except np.linalg.LinAlgError:
        return None


def refusal(image: CCDData, start: Start, detected: Detected, known: Known, best: Best) -> DataError:
    """Return the error that says what was tried and found, with a figure."""
    from alfosc_reduce_imaging.astrometry.refusal_figure import figure_of_failure

    name = image.meta.get("FILENAME", "this image")
    found = best.match
    what = "no place where any stars agree"
    if found is not None:
        what = (
            f"the best place brings {len(found.pairs)} of them together, with significance {found.significance:.1f} "
            f"({SIGNIFICANCE:g} are needed)"
        )
        if found.significance >= SIGNIFICANCE:
            what += f", but another fits nearly as well ({best.rival:.1f})"

    def drawn() -> Iterator[tuple[str, Figure]]:
        yield "no_match", figure_of_failure(name, start, detected, known, found)

    return DataError(
        f"{name}: not found on the sky: {len(detected.x)} sources, {len(known.flux)} catalogue stars around RA "
        f"{start.place[0]:.4f}, Dec {start.place[1]:+.4f} (from {start.source}, {start.scale:.4f} arcsec a pixel): "
        f"{what}. Check the pointing, give position and pixel_scale, raise pointing_error, or take a deeper or wider "
        "catalogue",
        figures=drawn(),
    )


def result_of(
    image: CCDData,
    sources: QTable,
    reference: QTable,
    start: Start,
    detected: Detected,
    known: Known,
    solution: Solution,
) -> Astrometry:
    """Return the products of a solution."""
    table = with_sky(sources, reference, detected, known, solution)
    summary = summary_of(table, image, start, solution)
    table.meta["ASTROMETRY"] = summary
    cards: dict[str, tuple[object, str]] = {
        "WCSRMS": (round(summary["rms"], 5), "[arcsec] rms of stars less catalogue"),
        "WCSXRMS": (round(summary["rms_ra"], 5), "[arcsec] in right ascension"),
        "WCSYRMS": (round(summary["rms_dec"], 5), "[arcsec] in declination"),
        "WCSNSTAR": (summary["stars"], "stars fitted"),
        "WCSFIT": (solution.sky_map.name(), "kind of map"),
        "WCSCAT": (str(reference.meta.get("CATALOG", ""))[:40], "catalogue"),
        "WCSERR": (round(summary["map_error"], 5), "[arcsec] largest error of the map"),
    }
    header = header_with(image.meta, solution.sky_map, image.shape, cards)
    variance = stored_variance(image)
    mapped = make_image(image.data, unit=str(image.unit), header=header, variance=variance, flags=flags_of(image))
    _tell(image, summary)
    return Astrometry(mapped, table)


def _tell(image: CCDData, summary: dict[str, Any]) -> None:
    _log.info(
        "%s: %d stars of the catalogue fit with %.3f arcsec rms; the pointing was off by %.1f arcsec.",
        image.meta.get("FILENAME", "this image"), summary["stars"], summary["rms"], summary["pointing_shift"],
    )  # fmt: skip
