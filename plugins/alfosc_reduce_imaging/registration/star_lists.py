"""The stars of one frame as arrays, from a table of stars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from astropy.wcs import WCS
    from numpy.typing import NDArray

_POSITION_FLOOR = 0.005
"""Pixels: no star of a real frame is known better, whatever its signal."""
_UNFIT = int(Flag.SATURATED | Flag.BAD_PIXEL | Flag.COSMIC_RAY | Flag.OUTSIDE_FIELD | Flag.NOT_FINITE)


@dataclass(frozen=True, eq=False)
class StarList:
    """The stars of one frame.

    Attributes
    ----------
    name
        Of the frame.
    xy, error
        Positions, shape (n, 2), and their error in one coordinate, shape (n,), pixels.
    rate, rate_error
        Flux a second and its error, of all the light of a star if the table says of which part it is, shape (n,).
    clean
        True where no pixel of the core is saturated or masked, shape (n,).
    point
        True for stars (all, if the table does not say what is one), shape (n,).
    fwhm, ellipticity
        Of the frame's stars; NaN if there are none. `fwhm` in pixels.
    seeing
        The same in arc seconds; NaN if the scale is not known.
    sky, sky_noise
        Level and scatter of a pixel of the background, in `unit`; NaN if not known.
    exposure
        Seconds.
    size
        (nx, ny); zeros if the table does not say.
    filter, unit
        Names; empty if not known.
    wcs
        Cards of an approximate WCS, or empty.
    """

    name: str
    xy: NDArray[np.float64]
    error: NDArray[np.float64]
    rate: NDArray[np.float64]
    rate_error: NDArray[np.float64]
    clean: NDArray[np.bool_]
    point: NDArray[np.bool_]
    fwhm: float
    ellipticity: float
    seeing: float
    sky: float
    sky_noise: float
    exposure: float
    size: tuple[int, int]
    filter: str
    unit: str
    wcs: dict[str, Any]

    def __len__(self) -> int:
        return len(self.xy)

    def sky_map(self) -> WCS | None:
        """Return the approximate WCS; None if there is none."""
        from astropy.io.fits import Header

        from alfosc_reduce.images import header_wcs

        return header_wcs(Header(self.wcs)) if self.wcs else None


def star_lists(tables: Sequence[QTable]) -> list[StarList]:
    """Return the stars of frames; frames without a name, or with the same, get a number.

    Raises
    ------
    DataError
        If there is no table, or one lacks columns.
    """
    tables = [tables[i] for i in range(len(tables))]
    if not tables:
        raise DataError("registration: no list of stars was given")
    names = distinct([str(table.meta.get("FRAME", "")) for table in tables])
    return [star_list(table, name) for table, name in zip(tables, names, strict=True)]


def distinct(names: Sequence[str]) -> list[str]:
    """Return names of frames so that no two are the same: those without one, or with that of another, get a number."""
    return [name if name and names.count(name) == 1 else f"{name or 'frame'}-{i}" for i, name in enumerate(names, 1)]


def star_list(table: QTable, name: str) -> StarList:
    """Return the stars of one frame; those without a finite position and a positive flux are dropped."""
    lacking = {"x", "y", "flux"} - set(table.colnames)
    if lacking:
        raise DataError(f"registration: the star list of {name} has no column {', '.join(sorted(lacking))}")
    meta = table.meta
    unit = str(getattr(table["flux"], "unit", None) or "")
    exposure = _number(meta, "EXPTIME")
    seconds = 1.0 if unit.replace(" ", "").endswith(("/s", "s-1")) or not exposure > 0 else exposure
    x, y, flux = (_column(table, column) for column in ("x", "y", "flux"))
    keep = np.isfinite(x) & np.isfinite(y) & (flux > 0)
    flux_error, fwhm = (_column(table, column)[keep] for column in ("flux_error", "fwhm"))
    flux = flux[keep]
    noise = np.where(flux_error > 0, flux_error, np.sqrt(flux))
    width = _number(meta, "SEEINGPX") if "SEEINGPX" in meta else _median(fwhm)
    guess = 0.6 * (width if width > 0 else 4.0) * np.minimum(noise / flux, 1.0)
    stated = np.hypot(_column(table, "x_error"), _column(table, "y_error"))[keep] / 2**0.5
    error = np.hypot(_POSITION_FLOOR, np.where(stated > 0, stated, guess))
    seconds *= _part_measured(meta, width)
    flags = _column(table, "flags", 0.0)[keep].astype(np.int64)
    return StarList(
        name=name,
        xy=np.column_stack([x, y])[keep],
        error=error,
        rate=flux / seconds,
        rate_error=noise / seconds,
        clean=(flags & _UNFIT) == 0,
        point=_column(table, "star", 1.0)[keep] > 0,
        fwhm=width,
        ellipticity=_number(meta, "ELLIPTIC", _median(_column(table, "ellipticity")[keep])),
        seeing=_number(meta, "SEEING", width * _number(meta, "PIXSCALE")),
        sky=_number(meta, "SKY"),
        sky_noise=_number(meta, "SKYNOISE"),
        exposure=exposure,
        size=(int(_number(meta, "NX", 0)), int(_number(meta, "NY", 0))),
        filter=str(meta.get("FILTER", "")),
        unit=unit.removesuffix("/ s").removesuffix("/s").strip(),
        wcs=dict(meta.get("WCS") or {}),
    )


def _part_measured(meta: Any, width: float) -> float:
    """Return which part of a star's light its aperture has, by the Moffat profile of the frame; 1 if that is not known.

    An aperture that does not follow the seeing exactly would make clouds of it.
    """
    radius, beta = _number(meta, "APRADIUS"), _number(meta, "BETA")
    if not (radius > 0 and beta > 1 and width > 0):
        return 1.0
    core = 0.5 * width / np.sqrt(2 ** (1 / beta) - 1)
    return float(1 - (1 + (radius / core) ** 2) ** (1 - beta))


def _column(table: QTable, name: str, default: float = np.nan) -> NDArray[np.float64]:
    if name not in table.colnames:
        return np.full(len(table), default)
    column = table[name]
    return np.asarray(getattr(column, "value", column), dtype=np.float64)


def _number(meta: Any, key: str, default: float = float("nan")) -> float:
    try:
        value = float(meta.get(key, default))
    except (TypeError, ValueError):
        return default
    return value if np.isfinite(value) else default


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")
