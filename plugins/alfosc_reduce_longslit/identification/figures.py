"""Figure of an arc that was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from alfosc_reduce_longslit.identification.identified import IdentifiedArc
    from alfosc_reduce_longslit.identification.pattern import Expectation


def doubtful_lines(spectrum: NDArray[np.float64], arc: IdentifiedArc, expectation: Expectation) -> Figure:
    """Return the arc with the lines found in it, above the lamps' lines where the instrument expects them.

    Parameters
    ----------
    spectrum
        Of the middle of the slit, shape (nx,).
    arc
        With the best match, which was not good enough.
    expectation
        Of the wavelength scale.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    pixel = np.arange(len(spectrum), dtype=np.float64)
    light = np.sqrt(np.maximum(spectrum - np.percentile(spectrum, 20), 0))
    matched = np.isin(np.arange(len(arc.found)), arc.match.found)
    above.plot(pixel, light, color="0.2", lw=0.8)
    for chosen, colour, label in ((matched, "tab:blue", "in the best match"), (~matched, "tab:red", "in no match")):
        above.plot(arc.found.x[chosen], np.full(chosen.sum(), 1.05 * light.max()), "|", ms=9, color=colour, label=label)
    above.set(ylabel="light of the arc (square root)", ylim=(0, 1.3 * max(float(light.max()), 1e-9)))
    above.legend(fontsize=8, loc="upper right", ncols=2, title="lines found")
    wave = expectation.wavelength(arc.axis.position(pixel))
    strength = np.sqrt(arc.known.strength / arc.known.strength.max())
    inside = (arc.known.wavelength > wave.min()) & (arc.known.wavelength < wave.max())
    order = np.argsort(wave)
    place = np.interp(arc.known.wavelength[inside], wave[order], pixel[order])
    below.vlines(place, 0, strength[inside], color="0.5", lw=0.8)
    for line in np.argsort(-strength[inside])[:12]:
        text = f"{arc.known.ion[inside][line].split()[0]} {arc.known.wavelength[inside][line]:.0f}"
        below.text(place[line], strength[inside][line], text, rotation=90, fontsize=6, ha="center", va="bottom")
    below.set(
        ylabel="lines of the lamps as expected\n(square root)", ylim=(0, 1.5), xlabel="pixel along the dispersion"
    )
    odds = f"odds e^{arc.match.score:.0f} against chance, e^{arc.match.margin:.0f} against the next best"
    best = f"best match: {len(arc.match.found)} of {len(arc.found)} lines, {odds}"
    figure.suptitle(f"Refused: {arc.title}\n{best}", fontsize=10)
    return figure
