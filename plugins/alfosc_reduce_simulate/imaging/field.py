"""The sources of a field: stars and galaxies with colours and motions, and what is injected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.bands import BANDS
from alfosc_reduce_simulate.imaging.sphere import from_plane, moved

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.imaging.observations import Field

Columns = dict[str, Any]
EPOCH = 2016.0
"""Julian year of the positions of stars."""
AREA = 50.0
"""Square arc minutes to which the numbers of a `Field` refer."""
_STILL: Columns = {
    "pmra": 0.0, "pmdec": 0.0, "rate_ra": 0.0, "rate_dec": 0.0, "amplitude": 0.0, "period": 1.0,
    "radius": 0.0, "sersic": 1.0, "axis_ratio": 1.0, "angle": 0.0,
}  # fmt: skip


def sources_of(field: Field) -> QTable:
    """Return all sources of a field.

    Returns
    -------
    QTable
        ``id``; ``kind`` (star, galaxy, variable, transient, moving); ``ra``, ``dec`` (ICRS, of stars and variables at
        `EPOCH`, else at the start of the night); ``pmra`` (with the cosine), ``pmdec``; ``mag_<band>``; half-light
        ``radius``, ``sersic`` index, ``axis_ratio`` and position ``angle`` of galaxies; ``rate_ra``, ``rate_dec``;
        ``amplitude`` and ``period`` of variables.
    """
    rng = np.random.default_rng((field.seed, 77))
    parts = [_stars(field, rng), _galaxies(field, rng), *(_injected(field, i) for i in range(len(field.injected)))]
    return _table(parts)


def magnitudes(red: NDArray[np.float64], colour: NDArray[np.float64], rng: np.random.Generator | None) -> Columns:
    """Return magnitudes in all bands of stars.

    SDSS colours follow the stellar locus roughly; Bessell magnitudes the relations of Lupton (2005, sdss.org) and for U
    of Jester et al. (2005, AJ 130, 873), with a scatter of 0.01 mag where there is a source of chance.

    Parameters
    ----------
    red, colour
        r and g - r.
    rng
        None for no scatter.
    """
    late = np.maximum(colour - 1.25, 0)
    r_i = 0.4 * np.minimum(colour, 1.25) - 0.02 + 4.0 * late
    mags = {"g": red + colour, "r": red, "i": red - r_i}
    mags |= {"u": mags["g"] + 0.75 + 1.1 * colour, "z": mags["i"] - 0.55 * r_i + 0.01}
    b = mags["g"] + 0.3130 * colour + 0.2271
    mags |= {"B": b, "U": b + 0.78 * (mags["u"] - mags["g"]) - 0.88, "V": mags["g"] - 0.5784 * colour - 0.0038}
    mags |= {"R": red - 0.1837 * colour - 0.0971, "I": red - 1.2444 * r_i - 0.3820}
    if rng:
        mags = {name: mags[name] + 0.01 * rng.standard_normal(red.size) for name in BANDS}
    return {f"mag_{name}": mags[name] for name in BANDS}


def _stars(field: Field, rng: np.random.Generator) -> Columns:
    number = _number(field, field.stars)
    low, high = 10 ** (field.slope * np.array([field.brightest, field.faintest]))
    red = np.log10(rng.uniform(low, high, number)) / field.slope
    dwarf = rng.uniform(size=number) < 0.15 + 0.5 * np.clip((red - 15) / 8, 0, 1)
    colour = np.where(dwarf, rng.normal(1.32, 0.08, number), rng.normal(0.5, 0.16, number).clip(0.1))
    near = (rng.uniform(size=number) < 1 / 30) & (red < 20.5)
    fast = np.where(near, 20.0, np.clip(10 ** (-0.08 * (red - 16)), 0.25, 2.0)) * field.motions
    motion = {"pmra": fast * rng.standard_normal(number), "pmdec": fast * rng.standard_normal(number)}
    return _placed(field, number, rng) | {"kind": "star"} | motion | magnitudes(red, colour, rng)


def _galaxies(field: Field, rng: np.random.Generator) -> Columns:
    number = _number(field, field.galaxies)
    red = np.log10(rng.uniform(10 ** (0.38 * 17.0), 10 ** (0.38 * 24.0), number)) / 0.38
    colour = rng.normal(0.75, 0.25, number)
    size = np.clip(10 ** (-0.13 * (red - 20)) * np.exp(0.35 * rng.standard_normal(number)), 0.15, 3.0)
    shape = {
        "radius": size,
        "sersic": np.where(rng.uniform(size=number) < 0.3, 4.0, 1.0),
        "axis_ratio": rng.uniform(0.35, 1.0, number),
        "angle": rng.uniform(0, 180, number),
    }
    return _placed(field, number, rng) | {"kind": "galaxy"} | shape | magnitudes(red, colour, rng)


def _injected(field: Field, number: int) -> Columns:
    given = field.injected[number]
    ra, dec = from_plane([given.east], [given.north], (field.ra, field.dec))
    red, colour = np.array([given.magnitude]), np.array([given.colour])
    change = {"rate_ra": given.rate[0], "rate_dec": given.rate[1], "amplitude": given.amplitude}
    return {"ra": ra, "dec": dec, "kind": given.kind, "period": given.period} | change | magnitudes(red, colour, None)


def _number(field: Field, within: int) -> int:
    return round(within * np.pi * (60 * field.radius) ** 2 / AREA)


def _placed(field: Field, number: int, rng: np.random.Generator) -> Columns:
    distance = 3600 * field.radius * np.sqrt(rng.uniform(size=number))
    angle = rng.uniform(0, 2 * np.pi, number)
    ra, dec = from_plane(distance * np.sin(angle), distance * np.cos(angle), (field.ra, field.dec))
    return {"ra": ra, "dec": dec}


def _table(parts: list[Columns]) -> QTable:
    from astropy import units as u
    from astropy.table import QTable

    units = {
        "ra": u.deg, "dec": u.deg, "pmra": u.mas / u.yr, "pmdec": u.mas / u.yr, "radius": u.arcsec, "angle": u.deg,
        "rate_ra": u.arcsec / u.hour, "rate_dec": u.arcsec / u.hour, "period": u.hour, "amplitude": u.mag,
    } | {f"mag_{name}": u.mag for name in BANDS}  # fmt: skip
    sizes = [len(part["ra"]) for part in parts]
    table = QTable()
    table["id"] = np.arange(1, sum(sizes) + 1)
    for name in ("kind", "ra", "dec", *(f"mag_{band}" for band in BANDS), *_STILL):
        given: list[Any] = [part.get(name, _STILL.get(name)) for part in parts]
        column = np.concatenate([np.broadcast_to(part, n) for part, n in zip(given, sizes, strict=True)])
        table[name] = column * units[name] if name in units else column
    return table


def place_at(sources: QTable, year: float, hours: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions in degrees at a time.

    Parameters
    ----------
    sources
        From `sources_of`.
    year
        Julian year, for proper motions.
    hours
        Since the start of the night, for what moves.
    """
    years = (year - EPOCH) / 1000
    east = sources["pmra"].value * years + sources["rate_ra"].value * hours
    north = sources["pmdec"].value * years + sources["rate_dec"].value * hours
    return moved(sources["ra"].value, sources["dec"].value, east, north)


def magnitude_at(sources: QTable, band: str, hours: float) -> NDArray[np.float64]:
    """Return magnitudes in a band, so many hours after the start of the night."""
    change = sources["amplitude"].value * np.sin(2 * np.pi * hours / sources["period"].value)
    found: NDArray[np.float64] = sources[f"mag_{band}"].value + change
    return found
