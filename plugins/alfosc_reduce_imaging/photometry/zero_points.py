"""The zero point of an image, and the magnitudes of its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image, stored_variance
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.photometry.bands import bands, native_system
from alfosc_reduce_imaging.photometry.calibration import CARDS, Calibration, seconds_of
from alfosc_reduce_imaging.photometry.magnitude_columns import add_magnitudes, depth_of, own_colours
from alfosc_reduce_imaging.photometry.sky_positions import julian_year
from alfosc_reduce_imaging.photometry.zero_point_apertures import aperture_cards, aperture_zero_points
from alfosc_reduce_imaging.photometry.zero_point_measurement import Measurement, measure_zero_point, tell
from alfosc_reduce_imaging.photometry.zero_point_stars import flux_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

SEEING = 1.5
"""Arc seconds, where no keyword says it."""


class Photometry(NamedTuple):
    """An image with its zero point, and its sources with magnitudes."""

    image: CCDData
    sources: QTable


class MeasureZeroPoint(Step):
    """Measure the zero point of an image from catalogue stars, and give its sources magnitudes.

    Sources and catalogue (moved to the date by its proper motions) are matched on the sphere. From the stars that are
    neither saturated, blended, crowded, faint, extended nor variable, zero point, colour term and the scatter beyond
    the errors are fitted robustly; a colour term only where the stars constrain it. The zero point is that of this
    image at its own air mass, extinction included: magnitude = MAGZP - 2.5 log10(flux a second) + COLTERM x colour.
    A source whose colour the catalogue does not know gets that of the typical star. MAGZP is for the total light of a
    star (``flux_aper``); MAGZPA1, MAGZPA2, ... are for the sums in circles ``flux_aper_1``, ``flux_aper_2``, ...
    """

    band: str | None = None
    """The band: one of U B V R I (Bessel) u g r i z (SDSS); that of the header's BAND if not given."""

    magnitudes: Literal["native", "AB", "Vega"] = "native"
    """The magnitude system; native is Vega for U B V R I and AB for u g r i z."""

    zero_point: float | None = None
    """A zero point set by hand (magnitude of one count or electron a second): nothing is measured then."""

    def __call__(self, image: CCDData, sources: QTable, reference: QTable | None = None) -> Photometry:
        """Return the image with the zero point in its header, and the sources with magnitudes.

        Parameters
        ----------
        image
            With EXPTIME in its header, unless it is in counts a second.
        sources
            From `measure_sources`, with positions from `solve_wcs`; fluxes in the image's unit.
        reference
            From `fetch_catalog`; not needed for a zero point set by hand.

        Raises
        ------
        DataError
            If band or catalogue are missing, or too few stars are left.
        """
        name = _name(image)
        cards: dict[str, tuple[Any, str]] = {}
        if self.zero_point is not None:
            calibration = self._by_hand(image)
        else:
            measured = self.measure(image, sources, reference)
            tell(measured, name)
            calibration = measured.calibration
            cards = _of_apertures(sources, measured)
        seconds = seconds_of(sources[flux_column(sources)].unit or image.unit, image.meta, name)
        colours = own_colours(sources, reference, calibration, _year(image, sources))
        table = add_magnitudes(sources, seconds, calibration, colours)
        header = image.meta.copy()
        for key in (*CARDS, *(key for key in image.meta if key.startswith("MAGZPA"))):
            header.remove(key, ignore_missing=True)
        header.update(calibration.cards() | cards)
        limit = depth_of(sources, seconds, calibration)
        if limit is not None:
            header["MAGLIM"] = (limit, "[mag] limit of detection at 5 sigma")
        table.meta.update({key: header[key] for key in (*CARDS, *cards) if key in header})
        variance = stored_variance(image)
        output = make_image(
            image.data, unit=image.unit.to_string(), header=header, variance=variance, flags=flags_of(image)
        )
        return Photometry(output, table)

    def _by_hand(self, image: CCDData) -> Calibration:
        band = self.band or str(image.meta.get("BAND", "")).strip()
        system = self.magnitudes
        if system == "native":
            return Calibration(float(self.zero_point or 0.0), band=band, system=native_system(band) if band else "")
        return Calibration(float(self.zero_point or 0.0), band=band, system=system)

    def measure(self, image: CCDData, sources: QTable, reference: QTable | None) -> Measurement:
        """Return the fit behind the zero point, with its stars."""
        band = band_of(image, self.band)
        system = native_system(band) if self.magnitudes == "native" else self.magnitudes
        seconds = seconds_of(sources[flux_column(sources)].unit or image.unit, image.meta, _name(image))
        seeing = float(sources.meta.get("SEEING") or image.meta.get("SEEING") or SEEING)
        blank = Calibration(0.0, band=band, system=system)
        return measure_zero_point(
            sources, reference, blank, year=_year(image, sources), seeing=seeing, seconds=seconds, name=_name(image)
        )

    def quality(self, result: Photometry, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the zero point, its error, the colour term, the scatter of the stars and the limiting magnitude."""
        from alfosc_reduce_imaging.photometry.zero_point_quality import zero_point_quality

        return zero_point_quality(*result, self._again(inputs))

    def figures(self, result: Photometry, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the residuals of the stars against magnitude, colour and place in the field."""
        from alfosc_reduce_imaging.photometry.zero_point_figures import figure_of_field, figure_of_residuals

        measured = self._again(inputs)
        if measured is not None:
            yield "zero_point", figure_of_residuals(inputs["image"], measured)
            yield "zero_point_field", figure_of_field(inputs["image"], inputs["sources"], measured)

    def _again(self, inputs: dict[str, Any]) -> Measurement | None:
        if self.zero_point is not None:
            return None
        return self.measure(inputs["image"], inputs["sources"], inputs.get("reference"))


def band_of(image: CCDData, asked: str | None) -> str:
    """Return the band of an image: as asked, else of its header; raises `DataError` if that names none."""
    band = (asked or str(image.meta.get("BAND", ""))).strip()
    if band in bands():
        return band
    seen = f"the filter is {image.meta['FILTER']!r}" if image.meta.get("FILTER") else "no filter is named"
    wrong = f"the band {band!r} is not known" if band else f"the header has no BAND ({seen})"
    raise DataError(
        f"{_name(image)}: no zero point: {wrong}; set params.band to one of {' '.join(bands())}, or params.zero_point"
    )


def _of_apertures(sources: QTable, measured: Measurement) -> dict[str, tuple[Any, str]]:
    """Return the header cards with the zero points of fixed apertures."""
    stars, fit = measured.stars, measured.fit
    found = aperture_zero_points(sources, stars.source[fit.used], measured.calibration.zero_point, stars.flux)
    return {**aperture_cards(found)}


def _year(image: CCDData, sources: QTable) -> float | None:
    """Return the Julian year of an image, None if it is not known."""
    for found in (image.meta, sources.meta):
        for key in ("MJD-AVG", "MJD-OBS"):
            if isinstance(found.get(key), (int, float)):
                return julian_year(float(found[key]))
    return None


def _name(image: CCDData) -> str:
    return str(image.meta.get("FILENAME") or image.meta.get("OBJECT") or "this image")
