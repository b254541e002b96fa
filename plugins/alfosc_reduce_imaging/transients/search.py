"""The search for sources that no catalogue knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_imaging.photometry.columns import numbers, truths
from alfosc_reduce_imaging.photometry.sky_positions import separation, unit_vectors
from alfosc_reduce_imaging.transients.completeness import faint_limit
from alfosc_reduce_imaging.transients.counterparts import Counterparts, find_counterparts, known_names
from alfosc_reduce_imaging.transients.point_flux import Profile, best_flux
from alfosc_reduce_imaging.transients.stars_light import bright_stars
from alfosc_reduce_imaging.transients.trails import on_trail
from alfosc_reduce_imaging.transients.vetoes import in_starlight, vetoes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import Table
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

SIGNIFICANT = 5.0
"""Signal to noise that a new source has at least."""
BLEND = 1.0
"""A star of the catalogue within this times the seeing that is no source of its own is in the candidate's light."""
LEAST = 8
KNOWN = 0.3
"""Share of the brightest quarter of the sources (and `LEAST` at least) that the right catalogue has."""
POSITION = 0.05
"""Arc seconds: error of the positions where no keyword states it."""


@dataclass(frozen=True)
class Scene:
    """What the search knows of the image.

    Attributes
    ----------
    shape
        Of the image.
    scale
        Arc seconds a pixel.
    seeing
        Full width at half maximum in pixels.
    astrometry
        Standard error of the positions' system in arc seconds, one coordinate.
    year
        Julian year, None if not known.
    name
        Of the image, for a person.
    profile
        Of the stars, if a reference image was subtracted: what is left where the catalogue has a star has varied.
    """

    shape: tuple[int, int]
    scale: float
    seeing: float
    astrometry: float
    year: float | None
    name: str
    profile: Profile | None = None

    @property
    def difference(self) -> bool:
        """Return whether a reference image was subtracted."""
        return self.profile is not None


@dataclass(frozen=True)
class Search:
    """What became of each source, shape (n,) each.

    Attributes
    ----------
    places, errors
        Directions (n, 3) and their standard errors in arc seconds.
    counterparts
        In the first catalogue.
    known
        Sources that any of the catalogues has.
    reason
        Why a source without a counterpart is not new; empty for new and for catalogued ones.
    limit
        Flux below which the catalogues miss sources; 0 if they have all.
    """

    places: Floats
    errors: Floats
    counterparts: Counterparts
    known: Booleans
    reason: NDArray[np.str_]
    limit: float

    @property
    def new(self) -> NDArray[np.intp]:
        """Return the rows of the new sources."""
        return np.flatnonzero(~self.known & (self.reason == ""))

    @property
    def rejected(self) -> NDArray[np.intp]:
        """Return the rows of those without a counterpart that something speaks against."""
        return np.flatnonzero(self.reason != "")


def search(
    sources: Table,
    catalogues: Sequence[Table],
    known: Table | None,
    scene: Scene,
    *,
    least_flux: float | None,
    nominal_flux: float | None,
    star_flux: Floats | None,
) -> Search:
    """Find the sources that no catalogue has, and judge each.

    Parameters
    ----------
    sources
        With positions on the sky.
    catalogues
        One at least.
    known
        Objects that may be there and are no news: variable stars, asteroids.
    scene
        The image.
    least_flux
        Flux below which nothing is reported; None to ask how faint the catalogues go.
    nominal_flux
        Flux down to which the first catalogue is known to be complete; None if not known.
    star_flux
        Flux that each object of the first catalogue should have in the image (NaN where not known), or None.

    Raises
    ------
    DataError
        If the sources have no positions, there is no catalogue, or it has next to none of the bright sources.
    """
    places, errors = positions(sources, scene)
    found = [find_counterparts(places, errors, one, scene.year, scene.seeing * scene.scale) for one in catalogues]
    catalogued = np.any([_known(*one, scene) for one in zip(found, catalogues, strict=True)], axis=0)
    flux, noise = best_flux(sources, scene.profile)
    spoilt = vetoes(sources, scene.seeing, scene.shape, scene.profile)
    limit = least_flux
    if limit is None:
        clean = ~np.any(list(spoilt.values()), axis=0) & (flux > SIGNIFICANT * noise)
        limit = 0.0 if scene.difference else _limit_of(flux[clean], catalogued[clean], nominal_flux, scene.name)
    bright = bright_stars(sources, flux, catalogued, found[0], star_flux, scene.seeing)
    spoilt |= {
        "light of a bright star": in_starlight(
            numbers(sources, "x"), numbers(sources, "y"), flux, bright, scene.seeing
        ),
        "trail": on_trail(sources, ~catalogued, scene.seeing),
        "blend with a star": _blends(found[0], scene) & (not scene.difference),
        "outside the catalogue": _outside(places, catalogues[0]),
        "faint": ~(flux > SIGNIFICANT * noise),
        "fainter than the catalogue" if least_flux is None else "fainter than the limit": ~(flux >= limit),
    }
    reason = _reasons(spoilt, catalogued, len(sources))
    if scene.difference:
        reason[catalogued] = "star of the catalogue has varied"
    if known is not None and len(known):
        names = known_names(places, known, scene.year)
        reason = np.where((names != "") & ~catalogued, np.char.add("known: ", names), reason)
    return Search(places, errors, found[0], catalogued, reason, limit)


def _known(found: Counterparts, catalogue: Table, scene: Scene) -> Booleans:
    """Say which sources a catalogue knows; on a difference image a galaxy of the catalogue is no counterpart."""
    if not scene.difference:
        return found.known
    return found.known & ~truths(catalogue, "extended")[np.maximum(found.row, 0)]


def positions(sources: Table, scene: Scene) -> tuple[Floats, Floats]:
    """Return the directions of sources and their standard errors in arc seconds, the astrometry's own included."""
    if not {"ra", "dec"} <= set(sources.colnames):
        raise DataError(f"{scene.name}: the sources have no positions on the sky; run solve_wcs before")
    places = unit_vectors(numbers(sources, "ra"), numbers(sources, "dec"))
    x, y = (np.nan_to_num(numbers(sources, name)) for name in ("x_error", "y_error"))
    return places, np.sqrt((x**2 + y**2) / 2 * scale_squared(scene) + scene.astrometry**2)


def scale_squared(scene: Scene) -> float:
    """Return the area of a pixel in square arc seconds."""
    return scene.scale**2


def _limit_of(flux: Floats, known: Booleans, nominal: float | None, name: str) -> float:
    limit = faint_limit(flux, known, nominal)
    if len(known) >= LEAST and known[np.argsort(-flux)[: max(LEAST, len(known) // 4)]].mean() < KNOWN:
        raise DataError(
            f"{name}: the catalogue has {known.sum()} of the {len(known)} clean sources, and misses most of the bright "
            "ones: check the positions (solve_wcs) and that the catalogue is of this field, or set params.limit"
        )
    return limit


def _blends(found: Counterparts, scene: Scene) -> Booleans:
    """Say which sources lie beside a star of the catalogue that is not the counterpart of another source."""
    taken = np.zeros(int(found.row.max(initial=-1)) + 2, bool)
    taken[found.row[found.known]] = True
    return (found.row >= 0) & (found.distance < BLEND * scene.seeing * scene.scale) & ~taken[found.row]


def _outside(places: Floats, reference: Table) -> Booleans:
    """Say which sources lie outside the cone of which the catalogue was asked."""
    centre = [reference.meta.get(key) for key in ("RA", "DEC", "RADIUS")]
    if not all(isinstance(value, (int, float)) for value in centre):
        return np.zeros(len(places), bool)
    ra, dec, radius = (float(value) for value in centre if value is not None)
    return np.asarray(separation(places, unit_vectors(ra, dec)) > radius * 3600)


def _reasons(spoilt: dict[str, Booleans], catalogued: Booleans, count: int) -> NDArray[np.str_]:
    reason = np.full(count, "", dtype="U60")
    for name, struck in spoilt.items():
        reason[struck & ~catalogued & (reason == "")] = name
    return reason
