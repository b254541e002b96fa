"""Steps that do next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import astropy.units as u
import numpy as np

from alfosc_reduce import Step
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image
from alfosc_reduce.spectra import make_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from specutils import SpectrumList


@dataclass(frozen=True)
class Lines:
    """A dataclass product."""

    positions: NDArray[np.float64]
    lamp: str


class SplitResult(NamedTuple):
    """Two images."""

    image: CCDData
    sky: CCDData


class Prepare(Step):
    """Add a level to an image."""

    level: float = 0.0
    """What is added, ADU."""
    label: str | None = None
    """A parameter without a default value."""
    weights: dict[str, float] = {"up": 1.0}  # noqa: RUF012 - pydantic copies it
    """A table of numbers, with a "quoted" word in its text."""

    def __call__(self, image: CCDData) -> CCDData:
        header = image.meta.copy()
        return make_image(image.data + self.level, unit="electron", header=header, variance=image.uncertainty.array)

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"mean": float(result.data.mean()), "count": np.int64(24), "small": np.float32(0.5), "bad": float("nan")}


class Stack(Step):
    """Average images."""

    scale: float = 1.0
    """Factor on the mean."""

    def __call__(self, frames: list[CCDData]) -> CCDData:
        mean = np.mean([np.asarray(f.data, np.float64) for f in frames], axis=0) * self.scale
        return make_image(mean, unit="electron", header=frames[0].meta, variance=frames[0].uncertainty.array)

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"frames": len(inputs["frames"])}


class Subtract(Step):
    """Subtract a bias, if there is one."""

    def __call__(self, image: CCDData, bias: CCDData | None = None) -> CCDData:
        if bias is None:
            return image
        return make_image(image.data - bias.data, unit="electron", header=image.meta, variance=image.uncertainty.array)

    def figures(self, result: Any, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        from matplotlib.figure import Figure

        figure = Figure((1, 1), dpi=20)
        figure.text(0.5, 0.5, "toy")
        yield "look", figure


class MeasureLines(Step):
    """Find where the brightest pixels are."""

    def __call__(self, arc: CCDData) -> Lines:
        return Lines(np.argmax(np.asarray(arc.data), axis=1).astype(float), str(arc.meta.get("LAMP", "")))


class Split(Step):
    """Part an image into itself and its mean."""

    def __call__(self, image: CCDData, lines: Lines) -> SplitResult:
        sky = np.full(image.data.shape, np.asarray(image.data, np.float64).mean() + lines.positions.sum())
        parts = (np.asarray(image.data) - sky, sky)
        return SplitResult(
            *(make_image(p, unit="electron", header=image.meta, variance=image.uncertainty.array) for p in parts)
        )


class Collapse(Step):
    """Sum an image along the slit <script>toy</script>."""

    def __call__(self, image: CCDData) -> SpectrumList:
        from specutils import SpectrumList

        flux = np.asarray(image.data, np.float64).sum(axis=0) * u.electron
        flags = np.array([0, 0, Flag.TELLURIC, Flag.TELLURIC, 0, Flag.BAD_PIXEL])
        wavelength = (5000 + 100 * np.arange(flux.size)) * u.AA
        found = make_spectrum(wavelength, flux, variance=np.full(flux.shape, 9.0), header=image.meta, flags=flags,
                              columns={"SKY": flux / 2, "PIXELS": np.full(flux.shape, 4.0) * u.one})  # fmt: skip
        return SpectrumList([found])

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"signal_to_noise": 12.5, "spectra": len(result), "best": "<b>toy</b>"}


class Pointed(NamedTuple):
    """An image of the sky, and what is in it."""

    image: CCDData
    sources: QTable


class Point(Step):
    """Point an image at declination +75, north up, and find its corners."""

    def __call__(self, image: CCDData) -> Pointed:
        from astropy.table import QTable

        header = image.meta.copy()
        header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "RA---TAN", "DEC--TAN", 359.999, 75.0
        header["CRPIX1"], header["CRPIX2"] = 1.0, 1.0
        header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -1e-3, 0.0, 0.0, 1e-3
        sources = QTable({"id": [1, 2], "x": [0.0, 5.0] * u.pix, "y": [0.0, 3.0] * u.pix})
        sources["ra"], sources["dec"] = [359.999, 359.98] * u.deg, [75.0, 75.003] * u.deg
        sources["mag_aper"], sources["mag_aper_error"] = [18.25, 17.5], [0.02, 0.01]
        sources.meta["BAND"] = "r"
        return Pointed(make_image(image.data, unit="electron", header=header), sources)
