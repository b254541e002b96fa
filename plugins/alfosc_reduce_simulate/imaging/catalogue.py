"""The reference catalogue of a simulated field, as a survey would list it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.bands import band
from alfosc_reduce_simulate.imaging.field import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

UNLISTED = ("transient", "moving")
"""Kinds of sources that no catalogue knows."""


def catalogue_of(
    sources: QTable,
    *,
    noise: bool = True,
    bands: Sequence[str] = ("u", "g", "r", "i", "z", "B", "V", "R", "I"),
    limit: float = np.inf,
    seed: int = 1,
) -> QTable:
    """Return a catalogue of the sources of a field, without transients and moving objects.

    Parameters
    ----------
    sources
        The truth, see `alfosc_reduce_simulate.imaging.field.sources_of`.
    noise
        Scatter positions, motions and magnitudes by their errors, which are those of a large survey; else all is
        exact, and the errors are the smallest.
    bands
        Of the magnitudes.
    limit
        Faintest r magnitude.
    seed
        Of the noise.

    Returns
    -------
    QTable
        ``source_id``, ``ra``, ``dec``, ``ra_error``, ``dec_error``, ``pmra``, ``pmdec``, ``pmra_error``,
        ``pmdec_error``, ``pm_known`` (false for galaxies and stars fainter than r = 21), ``epoch``, ``mag_<band>``,
        ``mag_<band>_error``, ``extended``, ``variable``.
    """
    from astropy import units as u
    from astropy.table import QTable

    rng = np.random.default_rng((seed, 5))
    known = sources[~np.isin(sources["kind"], UNLISTED) & (sources["mag_r"].value < limit)]
    red = known["mag_r"].value
    table = QTable()
    table["source_id"] = np.array([f"S{number:06d}" for number in known["id"]])
    _add_positions(table, known, red, rng if noise else None)
    table["epoch"] = np.full(len(known), EPOCH) * u.yr
    _add_magnitudes(table, known, bands, rng if noise else None)
    table["extended"] = np.asarray(known["kind"] == "galaxy")
    table["variable"] = np.asarray(known["kind"] == "variable")
    table.meta.update(_meta(known, bands))
    return table


def _add_positions(table: QTable, known: QTable, red: NDArray[np.float64], rng: Any) -> None:
    from astropy import units as u

    error = np.clip(0.05 * 10 ** (0.2 * (red - 15)), 0.03, 20.0) if rng else np.full(red.size, 0.02)
    has_motion = np.asarray(known["kind"] != "galaxy") & (red < 21)
    off = rng.standard_normal((4, red.size)) * error if rng else np.zeros((4, red.size))
    dec = known["dec"].value + off[1] / 3.6e6
    table["ra"] = (known["ra"].value + off[0] / 3.6e6 / np.cos(np.radians(dec))) % 360 * u.deg
    table["dec"] = dec * u.deg
    table["ra_error"], table["dec_error"] = error * u.mas, error * u.mas
    for row, name in ((2, "pmra"), (3, "pmdec")):
        table[name] = np.where(has_motion, known[name].value + 0.2 * off[row], 0.0) * u.mas / u.yr
        table[f"{name}_error"] = np.where(has_motion, 0.2 * error, 0.0) * u.mas / u.yr
    table["pm_known"] = has_motion


def _add_magnitudes(table: QTable, known: QTable, bands: Sequence[str], rng: Any) -> None:
    from astropy import units as u

    for name in bands:
        true = known[f"mag_{name}"].value
        error = np.hypot(0.006, np.clip(0.02 * 10 ** (0.3 * (true - 20)), 0, 0.3)) if rng else np.full(true.size, 1e-3)
        table[f"mag_{name}"] = (true + (error * rng.standard_normal(true.size) if rng else 0)) * u.mag
        table[f"mag_{name}_error"] = error * u.mag


def _meta(known: QTable, bands: Sequence[str]) -> dict[str, Any]:
    from alfosc_reduce_simulate.imaging.sphere import angles, separation, vectors

    ra, dec = known["ra"].value, known["dec"].value
    middle = angles(vectors(ra, dec).mean(axis=0))
    return {
        "CATALOG": "simulated",
        "RELEASE": "1",
        "MAGSYS": {name: band(name).system for name in bands},
        "RA": float(middle[0]),
        "DEC": float(middle[1]),
        "RADIUS": float(separation(ra, dec, *middle).max() / 3600),
        "COMPLETE": True,
        "SOURCE": "alfosc_reduce_simulate, the truth of a simulated night",
    }
