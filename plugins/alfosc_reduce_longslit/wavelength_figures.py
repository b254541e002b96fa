"""Figures of an arc and its wavelength solution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure


def _figure(title: str, height: float = 5.0) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def arc_image(arc: CCDData) -> Figure:
    """Return an arc frame as an image on a compressed scale."""
    figure = _figure(
        f"Arc {arc.meta.get('OBJECT', '')}: {arc.meta.get('LAMP', '?')} through {arc.meta.get('GRISM', '?')}"
    )
    axes = figure.subplots()
    data = np.asarray(arc.data, np.float64)[:: max(arc.shape[0] // 400, 1), :: max(arc.shape[1] // 1000, 1)]
    low = float(np.percentile(data, 20))
    image = np.arcsinh((data - low) / max(float(np.percentile(data, 90)) - low, 1e-9))
    axes.imshow(image, origin="lower", aspect="auto", cmap="gray_r", extent=(0, arc.shape[1], 0, arc.shape[0]))
    axes.set_xlabel("pixel along the dispersion")
    axes.set_ylabel("pixel along the slit")
    return figure
