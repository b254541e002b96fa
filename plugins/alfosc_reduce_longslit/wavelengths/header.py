"""What a header says of the wavelengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from alfosc_reduce_longslit.products import WavelengthSolution

Card = tuple[str, float | int | str, str]


def wavelength_cards(solution: WavelengthSolution) -> list[Card]:
    """Return the cards on how good the wavelengths are, how wide lines are, and how the arc was moved to the sky."""
    middle = solution((solution.shape[1] - 1) / 2, (solution.shape[0] - 1) / 2)
    width = float(solution.resolution_at(middle))
    meta = solution.lines.meta
    cards: list[Card] = [
        ("ARC", str(meta.get("object", "")).partition(",")[0][:40], "arc of the wavelengths"),
        ("WAVERMS", round(solution.rms, 4), "[pix] rms of the arc lines"),
        ("WAVENLIN", _count(solution), "arc lines used"),
        ("WAVEFRST", round(solution.wavelengths[0], 2), "[Angstrom] first arc line, vacuum, as observed"),
        ("WAVELAST", round(solution.wavelengths[1], 2), "[Angstrom] last arc line, vacuum, as observed"),
        ("RESFWHM", round(width, 3), "[Angstrom] line width at the central column"),
        ("RESPOWER", round(float(middle) / width, 1), "wavelength over that width"),
    ]
    return cards + _arc_cards(solution) + _flexure_cards(solution)


def _arc_cards(solution: WavelengthSolution) -> list[Card]:
    cards: list[Card] = []
    for number, (name, weight) in enumerate(solution.between, start=1):
        cards.append((f"ARC{number}", name, "arc interpolated in time"))
        cards.append((f"ARCWGT{number}", weight, "its weight"))
    return cards


def _count(solution: WavelengthSolution) -> int:
    return int(np.sum(solution.lines["used"])) if "used" in solution.lines.colnames else len(solution.lines)


def _flexure_cards(solution: WavelengthSolution) -> list[Card]:
    if solution.flexure is None:
        return []
    meta = solution.flexure.meta
    return [
        ("FLEXURE", str(meta["kind"]), "how the arc was moved to the sky lines"),
        ("FLEXSHFT", round(float(meta["shift"]), 4), "[pix] shift to the red"),
        ("FLEXSERR", round(float(meta["shift_error"]), 4), "[pix] its error"),
        ("FLEXSLOP", round(float(meta["slope"]), 4), "[pix] more in 1000 Angstrom"),
        ("FLEXLERR", round(float(meta["slope_error"]), 4), "[pix] its error"),
        ("FLEXTILT", round(float(meta.get("tilt", 0.0)), 4), "[pix] more at the last row"),
        ("FLEXREF", round(float(meta["reference"]), 1), "[Angstrom] where the shift holds"),
    ]
