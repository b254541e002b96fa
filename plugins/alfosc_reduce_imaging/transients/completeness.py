"""How faint a catalogue goes, judged by the sources of an image that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NOMINAL: Mapping[str, float] = {"gaia": 20.1, "sdss": 21.5, "panstarrs": 21.0, "skymapper": 19.0}
"""Magnitude (of the bands that a catalogue is good in) to which stars are complete, cautiously."""
ABOVE, BELOW = 0.9, 0.3
"""Share of an image's sources that a catalogue has above and below its limit."""
EVIDENCE = 8.0
"""Gain in log likelihood at which such a limit is believed: some four sources that a complete catalogue would have."""
FAINTER = 3
"""Known sources that must be fainter than a new one: they show that the catalogue goes that deep."""


def faint_limit(flux: NDArray[np.float64], known: NDArray[np.bool_], nominal: float | None = None) -> float:
    """Return the flux down to which a catalogue has the sources of an image.

    The likeliest step from a share of `ABOVE` to one of `BELOW` is the limit, if there is evidence for one. If not, the
    catalogue is taken to go as deep as the sources show that it has, or as deep as it is known to.

    Parameters
    ----------
    flux
        Of clean, point-like sources, shape (n,).
    known
        Which of them the catalogue has.
    nominal
        Flux of the magnitude to which the catalogue is known to be complete, None if not known.

    Returns
    -------
    float
        Infinite if it has not even the bright ones.
    """
    order = np.argsort(-flux, kind="stable")
    known, flux = known[order], flux[order]
    gain = np.where(known, np.log(BELOW / ABOVE), np.log((1 - BELOW) / (1 - ABOVE)))
    below = np.append(np.cumsum(gain[::-1])[::-1], 0.0)
    first = int(np.argmax(below))
    if below[first] > EVIDENCE:
        return float(flux[first - 1]) if first else float("inf")
    fluxes = flux[known]
    shown = float(fluxes[-FAINTER]) if len(fluxes) >= FAINTER else float("inf")
    return min(shown, nominal) if nominal is not None else shown
