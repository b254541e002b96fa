"""The photometric calibration of an image, as it stands in its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POGSON = 2.5 / np.log(10)


@dataclass(frozen=True)
class Calibration:
    """Magnitude = zero point - 2.5 log10(rate) + colour term x colour, at the air mass of the image.

    Attributes
    ----------
    zero_point, error
        Magnitude of 1 unit a second for an object of colour 0 (without a colour term: for the stars used). The error
        is common to all magnitudes of the image, and not in theirs.
    stars
        How many gave it; 0 for one set by hand.
    band, system
        For example ``r`` and ``AB``; the system is empty if a zero point set by hand says none.
    colour
        What the colour term belongs to, such as ``g-r``; empty if the catalogue has no colour.
    colour_term, colour_error
        None if not measured.
    typical_colour
        Median of the stars used: the colour taken for objects whose own is not known.
    scatter
        Of the stars, beyond their errors, in magnitudes.
    catalogue
        Where the magnitudes of the stars come from.
    """

    zero_point: float
    error: float | None = None
    stars: int = 0
    band: str = ""
    system: str = ""
    colour: str = ""
    colour_term: float | None = None
    colour_error: float | None = None
    typical_colour: float | None = None
    scatter: float | None = None
    catalogue: str = ""

    @property
    def typical_zero_point(self) -> float:
        """Return the zero point for an object of typical colour, or whose colour is not known."""
        return self.zero_point + (self.colour_term or 0.0) * (self.typical_colour or 0.0)

    def cards(self) -> dict[str, tuple[Any, str]]:
        """Return the header cards; those of what is not known are left out."""
        found = {
            "MAGZP": (self.zero_point, "[mag] magnitude of 1 unit/s at colour 0"),
            "MAGZPERR": (self.error, "[mag] its standard error"),
            "MAGZPN": (self.stars, "stars that gave it; 0: set by hand"),
            "MAGSYS": (self.system or None, "magnitude system"),
            "MAGBAND": (self.band or None, "band of the magnitudes"),
            "COLOR": (self.colour or None, "colour that COLTERM multiplies"),
            "COLTERM": (self.colour_term, "m = MAGZP - 2.5 lg(rate) + COLTERM * COLOR"),
            "COLTERR": (self.colour_error, "its standard error"),
            "COLTYP": (self.typical_colour, "[mag] COLOR of objects of unknown colour"),
            "ZPSCATT": (self.scatter, "[mag] scatter of the stars beyond their errors"),
            "ZPCAT": (self.catalogue[:66] or None, ""),
        }
        return {key: card for key, card in found.items() if card[0] is not None}


CARDS = (
    "MAGZP", "MAGZPERR", "MAGZPN", "MAGSYS", "MAGBAND", "COLOR", "COLTERM", "COLTERR", "COLTYP", "ZPSCATT", "ZPCAT",
    "MAGLIM",
)  # fmt: skip


def calibration_of(header: Header) -> Calibration | None:
    """Return the calibration that stands in a header (`MeasureZeroPoint` put it there), None if there is none."""
    if "MAGZP" not in header:
        return None
    return Calibration(
        zero_point=float(header["MAGZP"]),
        error=header.get("MAGZPERR"),
        stars=int(header.get("MAGZPN", 0)),
        band=str(header.get("MAGBAND", header.get("BAND", ""))),
        system=str(header.get("MAGSYS", "")),
        colour=str(header.get("COLOR", "")),
        colour_term=header.get("COLTERM"),
        colour_error=header.get("COLTERR"),
        typical_colour=header.get("COLTYP"),
        scatter=header.get("ZPSCATT"),
        catalogue=str(header.get("ZPCAT", "")),
    )


def seconds_of(unit: Any, header: Any, name: str) -> float:
    """Return what to divide fluxes by to have them a second: 1 if the unit says so already, else the exposure time.

    Raises
    ------
    DataError
        If neither is known.
    """
    if unit is not None and any(base.is_equivalent("s") for base in unit.decompose().bases):
        return 1.0
    exposure = header.get("EXPTIME")
    if not isinstance(exposure, (int, float)) or not exposure > 0:
        raise DataError(
            f"{name}: fluxes are in {unit or 'counts'}, and EXPTIME in the header is {exposure or 'missing'}: write "
            "the exposure time in seconds there; magnitudes need fluxes a second"
        )
    return float(exposure)


def magnitudes(rate: Floats, rate_error: Floats, zero_point: float | Floats) -> tuple[Floats, Floats]:
    """Return magnitudes and their statistical errors; NaN where the rate is not positive.

    Parameters
    ----------
    rate, rate_error
        Units a second, shape (n,).
    zero_point
        Magnitude of one unit a second.
    """
    positive = np.isfinite(rate) & (rate > 0)
    safe = np.where(positive, rate, 1.0)
    value = np.where(positive, zero_point - 2.5 * np.log10(safe), np.nan)
    return value, np.where(positive, POGSON * rate_error / safe, np.nan)
