"""Draw the pictures of README and tutorial from the simulated demo night.

python docs/pictures.py [FOLDER OF A DEMO]

Without a folder the demo is made first (half a minute).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from alfosc_reduce import load

IMAGES = Path(__file__).with_name("images")
TARGET, FRAME, SETUP = "SIM1002+2801", "ALDc200004", "Grism_4_Slit_1.0_WG345"
RANGE = (3550.0, 8880.0)
LINES = {"Ly α": 1215.67, "C IV": 1549.06, "C III]": 1908.73, "Mg II": 2798.75}
REDSHIFT = 2.3
INK, GREY, SKY = "#1b3a5b", "#9aa5b1", "#c05621"
COLOURS = 48
TUTORIAL = {
    "arc.png": "wavelengths_*_{target}_*_lines.png",
    "sky.png": "sky_{frame}_frame.png",
    "objects.png": "objects_{frame}_profile.png",
    "profile.png": "extract_{frame}_spectrum*.png",
}


def spectrum_picture(demo: Path) -> Figure:
    """Return the final spectrum with its error below the frame before and after the sky was subtracted."""
    before, after, wave, rows = frames(demo)
    figure = Figure(figsize=(10, 6.2), dpi=100)
    grid = GridSpec(
        3, 1, figure, height_ratios=[1, 1, 3.2], hspace=0.07, left=0.07, right=0.985, top=0.95, bottom=0.085
    )
    raw, clean, flux = (figure.add_subplot(cell) for cell in grid)
    show(raw, before, rows, "one exposure of 900 s", np.percentile(before, [1, 99.3]))
    show(clean, after, rows, "sky subtracted", (-25, 90))
    draw(flux, demo, wave)
    raw.set_title(f"{TARGET}, a simulated quasar: NOT/ALFOSC, Grism #4, 2 × 900 s", fontsize=11, loc="left")
    return figure


def frames(demo: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float]]:
    """Return one frame before and after the sky was subtracted, on equal wavelengths, 24 arcsec around the object."""
    image, sky = product(demo, "sky", FRAME, "image"), product(demo, "sky", FRAME, "sky")
    traces = product(demo, "objects", FRAME)
    wavelengths = next(value for label, value in products(demo, "wavelengths").items() if TARGET in label).map()
    centre, half = int(np.median(traces.centres[0])), round(12 / traces.pixel_scale)
    rows = slice(centre - half, centre + half + 1)
    wave = np.linspace(*RANGE, 900)
    bad = np.asarray(image.mask)[rows]
    after = straight(mended(np.asarray(image.data)[rows], bad), wavelengths[rows], wave)
    before = after + straight(np.asarray(sky.data)[rows], wavelengths[rows], wave)
    return before, after, wave, (-half * traces.pixel_scale, half * traces.pixel_scale)


def mended(data: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return data with masked pixels taken from along the row: for the eye, not for measuring."""
    x = np.arange(data.shape[1])
    return np.stack([np.interp(x, x[~m], row[~m]) if (~m).any() else row for row, m in zip(data, bad, strict=True)])


def straight(data: np.ndarray, wavelengths: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Return each row at given wavelengths."""
    return np.stack([np.interp(wave, own, row) for own, row in zip(wavelengths, data, strict=True)])


def show(axes: Axes, data: np.ndarray, rows: tuple[float, float], text: str, limits: Any) -> None:
    """Draw a frame."""
    axes.imshow(
        data, aspect="auto", origin="lower", extent=(*RANGE, *rows), cmap="gray_r", vmin=limits[0], vmax=limits[1],
        interpolation="nearest",
    )  # fmt: skip
    axes.text(
        0.008,
        0.90,
        text,
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        bbox={"fc": "white", "ec": "none", "alpha": 0.85, "pad": 2},
    )
    axes.set_ylabel("slit / arcsec", fontsize=9)
    axes.tick_params(labelbottom=False, labelsize=8)


def draw(axes: Axes, demo: Path, wave: np.ndarray) -> None:
    """Draw the combined spectrum, its error, and the truth."""
    spectrum = load(demo / "reduced" / TARGET / f"{TARGET}_{SETUP}_spec1d.fits")[0]
    good = ~spectrum.mask & (spectrum.spectral_axis.value > RANGE[0]) & (spectrum.spectral_axis.value < RANGE[1])
    x, y = spectrum.spectral_axis.value[good], spectrum.flux.value[good] * 1e16
    error = np.sqrt(spectrum.uncertainty.array[good]) * 1e16
    axes.step(x, y, where="mid", color=INK, lw=0.8, label="flux")
    axes.step(x, error, where="mid", color=SKY, lw=0.8, label="its standard error")
    top = 1.12 * np.percentile(y, 99.8)
    for name, rest in LINES.items():
        if RANGE[0] < (place := rest * (1 + REDSHIFT)) < RANGE[1]:
            height = np.max(y[np.abs(x - place) < 40])
            axes.annotate(
                name, (place, height), (0, 5), textcoords="offset points", ha="center", fontsize=9, color=GREY
            )
    axes.set(xlim=RANGE, ylim=(0, top))
    axes.set_xlabel("vacuum wavelength at the barycentre / Å", fontsize=9)
    axes.set_ylabel("flux / 10⁻¹⁶ erg s⁻¹ cm⁻² Å⁻¹", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def product(demo: Path, step: str, label: str, output: str = "result") -> Any:
    """Return a product of the store, for what is not published."""
    return products(demo, step, output)[label]


def products(demo: Path, step: str, output: str = "result") -> dict[str, Any]:
    """Return the products of all tasks of a step, by label."""
    from alfosc_reduce.reduction import Choices, look_ahead, prepare

    run = look_ahead(prepare(demo / "recipe.toml", Choices()))
    made = [result for result in run.results.values() if result.task.step.name == step]
    return {result.task.label: load(run.store.product(result.key, output)) for result in made}


def save_small(figure: Figure | Path, path: Path, width: int, colours: int = COLOURS) -> None:
    """Write a picture with few colours and at most so many pixels across."""
    from io import BytesIO

    from PIL import Image

    source: Any = figure
    if isinstance(figure, Figure):
        source = BytesIO()
        figure.savefig(source, format="png")
    image = Image.open(source).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def demo_of(kind: str, arguments: list[str]) -> Iterator[Path]:
    """Give the folder of a finished demo: the one that is named, brought up to date, or one made for the purpose."""
    with tempfile.TemporaryDirectory() as text:
        demo = Path(arguments[0]) if arguments else Path(text) / "demo"
        words = ["run", str(demo / "recipe.toml"), "--quiet"] if arguments else ["demo", kind, str(demo)]
        subprocess.run([sys.executable, "-m", "alfosc_reduce", *words], check=True)
        IMAGES.mkdir(exist_ok=True)
        yield demo


def main(arguments: list[str]) -> None:
    """Write all pictures."""
    with demo_of("spec", arguments) as demo:
        save_small(spectrum_picture(demo), IMAGES / "spectrum.png", 1000)
        for name, pattern in TUTORIAL.items():
            wanted = pattern.format(target=TARGET, frame=FRAME)
            found = sorted((demo / "reduced" / "figures" / TARGET).glob(wanted))
            save_small(found[0], IMAGES / name, 640)


if __name__ == "__main__":
    main(sys.argv[1:])
