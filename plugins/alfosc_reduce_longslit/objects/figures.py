"""What a person wants to see of the objects on a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.images import usable
from alfosc_reduce_longslit.sky.figures import show_frame, title_of
from alfosc_reduce_longslit.sky.nodding import negative_rows
from alfosc_reduce_longslit.slit.part import part_on_slit
from alfosc_reduce_longslit.slit.profile import slit_profile

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure

    from alfosc_reduce_longslit.products import Traces


def figure_of_profile(image: CCDData, traces: Traces, threshold: float) -> Figure:
    """Return the light along the slit, the significance of an object at each row, and the threshold."""
    from matplotlib.figure import Figure

    part = part_on_slit(image)
    good = part.good & ~negative_rows(image.header, len(image.data))[part.rows, None]
    profile = slit_profile(part.data, part.variance, good)
    y = (part.rows.start + np.arange(len(profile.light))) * traces.pixel_scale
    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.fill_between(y, -3 * profile.error, 3 * profile.error, step="mid", color="0.85", label="3 sigma of the noise")
    above.step(y, profile.light, where="mid", lw=0.8)
    above.axhline(0, color="k", lw=0.5)
    above.set(ylabel="mean light (electrons a pixel)", yscale="symlog" if profile.light.max() > 100 else "linear")
    below.step(y, profile.best, where="mid", lw=0.8)
    below.axhline(threshold, color="C3", lw=0.8, ls="--", label=f"threshold {threshold:g} sigma")
    below.set(yscale="symlog", ylabel="significance (sigma)", xlabel="position along the slit (arcsec)")
    for i, centre in enumerate(traces.centres):
        at = float(np.median(centre)) * traces.pixel_scale
        label = f"object {i + 1}: {at:.1f} arcsec, {traces.significance[i]:.0f} sigma{_on_sky(traces, i)}"
        above.axvline(at, color=f"C{i + 1}", lw=0.8, ls=":", label=label)
        below.axvline(at, color=f"C{i + 1}", lw=0.8, ls=":")
    above.legend(fontsize=8)
    below.legend(fontsize=8)
    figure.suptitle(f"Objects   {title_of(image)}   {len(traces)} found", fontsize=10)
    return figure


def _on_sky(traces: Traces, number: int) -> str:
    """Return where an object is on the sky, for a legend; nothing if it is not known."""
    if not len(traces.coordinates):
        return ""
    from astropy.coordinates import SkyCoord

    place = SkyCoord(*traces.coordinates[number], unit="deg")
    return f", {place.to_string('hmsdms', sep=':', precision=1)}"


def _shape(traces: Traces, number: int) -> str:
    shape = traces.shapes[number] if traces.shapes else "own"
    told = {"guide": "shape of the guide", "parallel": "parallel to object 1", "straight": "straight"}
    return f", {told[shape]}" if shape in told else ""


def figure_of_traces(image: CCDData, traces: Traces) -> Figure:
    """Return the frame with the traces drawn one FWHM to either side, and each trace less its mean row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    show_frame(above, np.asarray(image.data), usable(image), "sky-subtracted frame, traces one FWHM to either side")
    columns = np.arange(image.shape[1])
    for i, centre in enumerate(traces.centres):
        for side in (-1, 1):
            above.plot(columns, centre + side * traces.fwhm[i], color=f"C{i + 1}", lw=0.7)
        label = f"object {i + 1}, FWHM {traces.fwhm[i] * traces.pixel_scale:.2f} arcsec{_shape(traces, i)}"
        below.plot(columns, centre - np.median(centre), color=f"C{i + 1}", lw=1, label=label)
    above.set(ylim=(0, image.shape[0] - 1), xlim=(0, image.shape[1] - 1))
    below.set(xlabel="column along the dispersion", ylabel="trace less its median\n(rows)")
    if len(traces):
        below.legend(fontsize=8)
    figure.suptitle(f"Traces   {title_of(image)}", fontsize=10)
    return figure
