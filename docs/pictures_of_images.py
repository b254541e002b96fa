"""Draw the pictures of README and tutorial from the simulated demo night of images.

python docs/pictures_of_images.py [FOLDER OF A DEMO]

Without a folder the demo is made first (half a minute).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from alfosc_reduce_simulate.imaging.comparison import isolated, match, numbers
from alfosc_reduce_simulate.imaging.judgement import true_sources
from astropy.io import fits
from astropy.table import QTable
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from pictures import GREY, IMAGES, INK, SKY, demo_of, save_small

from alfosc_reduce import Flag, load

TARGET, STEM, FRAME = "SIM_demo_field", "SIM_demo_field_r_SDSS", "ALDc200001"
TUTORIAL = {
    "sources.png": "sources_*_sources.png",
    "wcs.png": "wcs_*_residuals.png",
    "zero_point.png": "zero_point_*_zero_point.png",
    "new_sources.png": "new_*_new_sources.png",
}


def field_picture(demo: Path) -> Figure:
    """Return a raw frame, the combined image with its new sources, and how right the magnitudes are."""
    figure = Figure(figsize=(10, 3.75), dpi=100)
    frames = GridSpec(1, 2, figure, wspace=0.04, left=0.008, right=0.632, top=0.93, bottom=0.06)
    raw, image = (figure.add_subplot(cell) for cell in frames)
    magnitudes = figure.add_axes((0.692, 0.13, 0.3, 0.8))
    show(raw, fits.getdata(demo / "raw" / f"{FRAME}.fits", 1), "one of four raw frames, 120 s")
    combined = load(demo / "reduced" / TARGET / f"{STEM}.fits")
    unseen = (combined.flags & (Flag.OUTSIDE_DETECTOR | Flag.OUTSIDE_FIELD)) > 0
    show(image, np.where(unseen, np.nan, combined.data), "combined; circles: new sources")
    new = QTable.read(demo / "reduced" / TARGET / f"{STEM}_new.ecsv")
    image.plot(numbers(new["x"]), numbers(new["y"]), "o", mfc="none", mec=SKY, ms=11, mew=1.4)
    draw(magnitudes, demo)
    return figure


def show(axes: Axes, data: np.ndarray, text: str) -> None:
    """Draw a frame, averaged in blocks of 4 x 4 pixels."""
    ny, nx = (4 * (length // 4) for length in data.shape)
    small = np.asarray(data[:ny, :nx], float).reshape(ny // 4, 4, nx // 4, 4).mean((1, 3))
    level = np.nanmedian(small)
    noise = 1.4826 * np.nanmedian(np.abs(small - level))
    axes.imshow(
        small, origin="lower", extent=(0, nx, 0, ny), cmap="gray_r", vmin=level - 3 * noise, vmax=level + 20 * noise
    )
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.set_title(text, fontsize=10, loc="left")


def draw(axes: Axes, demo: Path) -> None:
    """Draw measured minus true magnitudes of isolated stars with their errors."""
    sources = load(demo / "reduced" / TARGET / f"{STEM}_sources.fits")
    truth = true_sources(load(demo / "truth.fits"), "SIM demo field", "r")
    here, there = match(sources["ra"], sources["dec"], truth["ra"], truth["dec"])
    good = isolated(truth)[there] & np.asarray((sources["flags"] == 0) & (sources["source_flags"] == 0))[here]
    true = numbers(truth["magnitude"])[there][good]
    off = numbers(sources["mag_psf"])[here][good] - true
    error = numbers(sources["mag_psf_error"])[here][good]
    axes.errorbar(true, off, error, fmt="o", ms=3, color=INK, ecolor=GREY, elinewidth=0.8)
    axes.axhline(0, color=SKY, lw=1)
    axes.set(xlim=(14.6, 23.2), ylim=(-0.21, 0.21))
    axes.tick_params(labelsize=8)
    axes.set_xlabel("true r / mag", fontsize=9)
    axes.set_title("measured less true magnitude", fontsize=10, loc="left")


def main(arguments: list[str]) -> None:
    """Write all pictures."""
    with demo_of("phot", arguments) as demo:
        save_small(field_picture(demo), IMAGES / "field.png", 1000, colours=160)
        for name, pattern in TUTORIAL.items():
            save_small(next((demo / "reduced" / "figures" / TARGET).glob(pattern)), IMAGES / name, 640)


if __name__ == "__main__":
    main(sys.argv[1:])
