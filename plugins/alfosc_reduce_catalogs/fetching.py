"""The reference catalogue of a field: the first of several that has what is needed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from pydantic import Field

from alfosc_reduce.catalog import Catalog, UnavailableError, check_reference
from alfosc_reduce.catalog_choice import CatalogChoices
from alfosc_reduce.errors import DataError
from alfosc_reduce.field import Field as SkyField
from alfosc_reduce.field import field_of, position
from alfosc_reduce.parameters import Angle
from alfosc_reduce.step import Step
from alfosc_reduce_catalogs.field_map import faint_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

TRANSFORMED = {"U": ("u", "g"), "B": ("g", "r"), "V": ("g", "r"), "R": ("r", "i"), "I": ("i", "z")}
"""Bands of Sloan from which those of Bessel can be worked out."""
NOT_SLOAN = ("skymapper",)
"""Catalogues with bands of these names that are others: nothing published leads from them to those of Bessel."""


class FetchCatalog(Step):
    """Take the reference catalogue of the field of an image, from a service of the Virtual Observatory or a file.

    The catalogues are tried in their order; the first that has enough stars in the field is taken. What services
    answer is kept on disk: many frames of one field make one query, and later runs none.
    """

    catalogs: CatalogChoices = ("gaia",)  # type: ignore[assignment]
    """Catalogues in order of preference: names, ``"file:field.ecsv"``, or tables with parameters."""
    band_needed: bool = False
    """Pass over catalogues without the band of the image, or, for U B V R I, the Sloan bands from which it follows."""
    margin: Angle = 3 * u.arcmin
    """Around the image, because the pointing may be wrong."""
    minimum: int = Field(default=3, ge=0)
    """Pass over catalogues with fewer stars than this (in the band of the image, if that is needed)."""
    centre: str | None = None
    """Centre of the field, ``"RA DEC"`` in degrees or as ``"hh:mm:ss dd:mm:ss"``, if the header is not to be asked."""
    radius: Angle | None = None
    """Radius of the field, if the header is not to be asked; the margin is not added to it."""

    def __call__(self, image: CCDData) -> QTable:
        """Return the sources in and around the field, nearest to its centre first.

        Parameters
        ----------
        image
            Any image with a celestial WCS in its header (an approximate one will do), or ``RA``, ``DEC``, ``PIXSCALE``.

        Raises
        ------
        DataError
            If the field is not known, or none of the catalogues can be had; with the reason of each.
        """
        field = self.field(image)
        band = _band(image) if self.band_needed else ""
        if self.band_needed and not band:
            raise DataError(f"{_name(image)}: the header names no band (BAND, FILTER), but band_needed is set")
        failures: list[tuple[str, DataError]] = []
        for catalog in self.catalogs:
            try:
                table = fetch(catalog, field, band, self.minimum)
            except DataError as error:
                failures.append((_called(catalog), error))
                continue
            for reason in reasons_of(failures):
                logger.info("passed over %s", reason)
            if not table.meta["COMPLETE"]:
                logger.warning("%s has more sources here than it gave; the faintest may be missing.", catalog.name)
            return table
        raise DataError(f"{_name(image)}: no reference catalogue could be had. {told(failures)}")

    def field(self, image: CCDData) -> SkyField:
        """Return the field to ask for: that of the image and a margin, or what the parameters say."""
        if self.centre is not None and self.radius is not None:
            return SkyField(position(self.centre, "centre"), self.radius)
        found = field_of(image)
        centre = found.centre if self.centre is None else position(self.centre, "centre")
        return SkyField(centre, found.radius + self.margin if self.radius is None else self.radius, found.corners)

    def figures(self, result: QTable, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show the stars on the sky, with the outline of the image."""
        from alfosc_reduce_catalogs.field_map import field_map

        image = inputs["image"]
        yield "field", field_map(result, self.field(image).corners, band=_band(image), title=_title(result, image))

    def quality(self, result: QTable, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return which catalogue was taken, and how many stars it has here, how faint."""
        band, faintest = faint_limit(result, _band(inputs["image"]))
        return {
            "catalog": result.meta["CATALOG"],
            "release": result.meta["RELEASE"],
            "stars": len(result),
            "complete": result.meta["COMPLETE"],
            "band": band,
            "faint_limit": faintest,
        }


def fetch(catalog: Catalog, field: SkyField, band: str = "", minimum: int = 1) -> QTable:
    """Return the sources of one catalogue in a field.

    Parameters
    ----------
    catalog
        Of any origin.
    field
        Where.
    band
        In which it must have magnitudes; empty for none.
    minimum
        How many sources it must have (with such magnitudes).

    Raises
    ------
    DataError
        If it does not cover the field or the band, has too few sources, or cannot be had.
    """
    if not catalog.covers(field.centre, field.radius):
        raise DataError(f"covers only {catalog.footprint}")
    wanted = bands_for(band, list(catalog.bands))
    if band and wanted != [band] and catalog.name in NOT_SLOAN:
        raise DataError(
            f"has no magnitudes in {band}, and no published transformation leads there from its bands "
            f"({', '.join(catalog.bands)}); gaia has {band}"
        )
    if band and not wanted:
        raise DataError(f"has no magnitudes in {band} (it has: {', '.join(catalog.bands) or 'none'})")
    table = catalog.sources(field.centre, field.radius)
    check_reference(table)
    usable = np.ones(len(table), bool)
    for name in wanted:
        usable &= np.isfinite(np.asarray(table[f"mag_{name}"])) if f"mag_{name}" in table.colnames else False
    if usable.sum() < minimum:
        where = f"{field.centre.to_string('hmsdms', precision=0)}, radius {field.radius.to_value('arcmin'):.1f}'"
        having = f" with magnitudes in {' and '.join(wanted)}" if wanted else ""
        raise DataError(f"has {usable.sum()} sources{having} around {where}; at least {minimum} are needed")
    return table


def reasons_of(failures: Sequence[tuple[str, DataError]]) -> list[str]:
    """Return why each catalogue, by name, was not taken."""
    return [f"{name}: {e.reason if isinstance(e, UnavailableError) else e}" for name, e in failures]


def told(failures: Sequence[tuple[str, DataError]]) -> str:
    """Return why no catalogue was taken, and once what to do about it."""
    advice = [error.advice for _, error in failures if isinstance(error, UnavailableError)]
    return ". ".join([" | ".join(reasons_of(failures)) or "None is named", *advice[:1]])


def bands_for(band: str, available: list[str]) -> list[str]:
    """Return the bands that give `band`: itself, or those from which it can be worked out; none if they are lacking."""
    if not band or band in available:
        return [band] if band else []
    others = TRANSFORMED.get(band, ())
    return list(others) if others and set(others) <= set(available) else []


def _band(image: CCDData) -> str:
    return str(image.meta.get("BAND", image.meta.get("FILTER", ""))).strip()


def _name(image: CCDData) -> str:
    return str(image.meta.get("FILENAME", "the image"))


def _called(catalog: Catalog) -> str:
    """Return the name of a catalogue, of a file with its own."""
    file = getattr(catalog, catalog.main, None) if catalog.main else None
    return f"{catalog.name} {file.name}" if isinstance(file, Path) else catalog.name


def _title(table: QTable, image: CCDData) -> str:
    what = " ".join(str(image.meta[key]) for key in ("OBJECT", "FILTER") if image.meta.get(key))
    return f"{what or _name(image)}: {len(table)} sources of {table.meta['CATALOG']} ({table.meta['RELEASE']})"
