"""How close reduced spectra come to the truth of a simulated night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from alfosc_reduce_simulate.truth import Truth

RANGE = (4000.0, 9000.0)
"""Angstrom within which fluxes are judged."""
C = 299_792_458.0
"""Speed of light, m/s."""
_TELLURIC = ((6840.0, 6960.0), (7150.0, 7350.0), (7570.0, 7720.0), (8080.0, 8380.0))


@dataclass(frozen=True)
class Verdict:
    """The errors of one extracted spectrum.

    Attributes
    ----------
    wavelength_rms, wavelength_worst
        Error of the wavelengths where an arc line supports them, in Angstrom.
    pixel_rms
        The same in binned pixels.
    flux_ratio
        Median flux over truth; the truth includes what the slit cuts, relative to the standard.
    flux_scatter
        Robust scatter of the ratio of fluxes averaged over 100 Angstrom.
    pull_mean, pull_std
        Median and robust standard deviation of (flux - truth) / error.
    signal_to_noise
        Median flux over error.
    velocity
        Error of the barycentric correction in the header, m/s; nan without one.
    """

    wavelength_rms: float
    wavelength_worst: float
    pixel_rms: float
    flux_ratio: float
    flux_scatter: float
    pull_mean: float
    pull_std: float
    signal_to_noise: float
    velocity: float

    def sentence(self, name: str) -> str:
        """Return the verdict in words."""
        return (
            f"{name}: wavelengths are right to {self.wavelength_rms:.2f} A rms ({self.pixel_rms:.3f} px, worst "
            f"{self.wavelength_worst:.2f} A); flux over truth is {self.flux_ratio:.3f}, its shape right to "
            f"{100 * self.flux_scatter:.1f} %; error bars: (flux - truth)/error has mean {self.pull_mean:+.2f} and "
            f"standard deviation {self.pull_std:.2f}; median signal to noise {self.signal_to_noise:.0f} a pixel; "
            f"the barycentric velocity is right to {abs(self.velocity):.0f} m/s"
        )


def judge_frames(truth: Truth, reduced: Path) -> list[tuple[str, Path]]:
    """Return raw file and spectrum of every exposure of a target; raises `DataError` naming what is missing."""
    if not reduced.is_dir():
        raise DataError(f"{reduced}: no such folder; reduce the night first")
    found, missing = [], []
    for row in truth.frames:
        if row["kind"] not in ("object", "standard"):
            continue
        stem = str(row["file"]).partition(".")[0]
        paths = sorted(reduced.glob(f"*/*/{stem}_spec1d.fits"))
        found += [(str(row["file"]), path) for path in paths[:1]]
        missing += [] if paths else [stem]
    if missing:
        raise DataError(f"{reduced}: no extracted spectrum of {', '.join(missing)}; see reduced/log.txt for why")
    return found


def judge_exposure(truth: Truth, file: str, path: Path) -> str:
    """Return how well one exposure was reduced, as a sentence, and whether there were false objects."""
    from alfosc_reduce.products import load

    spectra = load(path)
    name = f"{path.parent.parent.name} {path.name.removesuffix('_spec1d.fits')}"
    sentence = compare(truth, file, nearest(truth, file, spectra)).sentence(name)
    surplus = len(spectra) - int(np.sum(truth.spectra["file"] == file))
    return f"{sentence}; {surplus} false objects" if surplus > 0 else sentence


def nearest(truth: Truth, file: str, spectra: Any, source: int = 0) -> Any:
    """Return the spectrum that was extracted nearest to a source; raises `DataError` if none is within 3 arcsec."""
    from alfosc_reduce.spectra import header_of

    row = float(np.median(truth.of(file, source)["trace"]))
    place = truth.slit_first + truth.slit_step * row
    distances = [abs(_slit_pixel(header_of(spectrum)) - place) for spectrum in spectra]
    if not distances or min(distances) * truth.pixel_scale / truth.slit_step > 3:
        raise DataError(f"{file}: the source at slit pixel {place:.0f} was not found among {len(spectra)} objects")
    return spectra[int(np.argmin(distances))]


def _slit_pixel(header: Any) -> float:
    return float(header["SLITPIX0"]) + float(header["SLITSTEP"]) * float(header["OBJROW"])


def compare(truth: Truth, file: str, spectrum: Any, source: int = 0) -> Verdict:
    """Compare an extracted, flux-calibrated spectrum with the truth.

    Parameters
    ----------
    truth, file, source
        The truth, the raw file and the number of the source on it.
    spectrum
        On the pixels of the detector; its header says where they begin (``DISPPIX0``), and of what medium and frame the
        wavelengths are.

    Raises
    ------
    DataError
        If the spectrum does not lie on the pixels of the frame, or is not flux calibrated.
    """
    from alfosc_reduce.flags import Flag
    from alfosc_reduce.spectra import header_of, spectrum_flags, spectrum_variance

    header, true = header_of(spectrum), truth.of(file, source)
    wavelength = topocentric_vacuum(np.asarray(spectrum.spectral_axis.to_value("Angstrom")), header)
    part = _pixels(truth, header, wavelength.size, true["wavelength"].size)
    true = {name: values[part] for name, values in true.items()}
    flags = spectrum_flags(spectrum)
    supported = (flags & int(Flag.EXTRAPOLATED_WAVELENGTH)) == 0
    miss = (wavelength - true["wavelength"])[supported]
    step = np.gradient(true["wavelength"])[supported]
    good = judged(true["wavelength"]) & ~np.asarray(spectrum.mask, bool)
    expected = true["flux"] * slit_factor(truth, file, source, part)
    error = np.sqrt(spectrum_variance(spectrum)) * unit_of(spectrum)
    velocity = float(header.get("VELOSYS", np.nan)) - truth.velocity(file)
    return _verdict(velocity, miss, step, flux_of(spectrum)[good], expected[good], error[good])


def slit_factor(truth: Truth, file: str, source: int, part: slice) -> NDArray[np.float64]:
    """Return what the slit passed of a source over what it passed of the standard at its best; 1 without one."""
    kinds = dict(zip(truth.frames["file"], truth.frames["kind"], strict=True))
    standards = [truth.of(str(name)) for name in truth.spectra["file"] if kinds[name] == "standard"]
    if not standards:
        return np.ones(part.stop - part.start)
    best = max(standards, key=lambda star: float(np.median(star["throughput"])))
    factor: NDArray[np.float64] = (truth.of(file, source)["throughput"] / best["throughput"])[part]
    return factor


def topocentric_vacuum(wavelength: NDArray[np.float64], header: Any) -> NDArray[np.float64]:
    """Undo what a header says was done to wavelengths: the velocity correction, then the step from vacuum to air."""
    wavelength = vacuum(wavelength, header)
    if str(header.get("SPECSYS", "TOPOCENT")).upper().startswith(("BARY", "HELIO")):
        wavelength = wavelength / (1 + float(header.get("VELOSYS", 0.0)) / C)
    return wavelength


def vacuum(wavelength: NDArray[np.float64], header: Any) -> NDArray[np.float64]:
    """Return vacuum wavelengths in Angstrom for those of the medium in the header (Ciddor 1996, after Morton 2000)."""
    if not str(header.get("AIRORVAC", "VACUUM")).upper().startswith("AIR"):
        return wavelength
    square = (1e4 / wavelength) ** 2
    return wavelength * (1 + 8.34254e-5 + 2.406147e-2 / (130 - square) + 1.5998e-4 / (38.9 - square))


def _pixels(truth: Truth, header: Any, size: int, total: int) -> slice:
    """Return which oriented pixels of the whole frame a spectrum covers."""
    first = round((float(header.get("DISPPIX0", truth.first)) - truth.first) / truth.step)
    if first < 0 or first + size > total:
        raise DataError(f"the spectrum covers pixels {first} to {first + size} of a frame of {total}; wrong frame?")
    return slice(first, first + size)


def judged(wavelength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where fluxes are judged: inside `RANGE`, outside the telluric bands."""
    good = (wavelength > RANGE[0]) & (wavelength < RANGE[1])
    for first, last in _TELLURIC:
        good &= (wavelength < first) | (wavelength > last)
    return good


def unit_of(spectrum: Any) -> float:
    """Return the unit of the flux in erg / (s cm2 Angstrom); raises `DataError` if it is no flux."""
    from astropy import units as u

    try:
        return float(spectrum.flux.unit.to(u.Unit("erg / (s cm2 Angstrom)")))
    except u.UnitConversionError:
        raise DataError(
            f"the spectrum is in {spectrum.flux.unit}, not flux calibrated: was there no response?"
        ) from None


def flux_of(spectrum: Any) -> NDArray[np.float64]:
    """Return the flux in erg / (s cm2 Angstrom)."""
    return np.asarray(spectrum.flux.value, dtype=np.float64) * unit_of(spectrum)


def _verdict(
    velocity: float,
    miss: NDArray[np.float64],
    step: NDArray[np.float64],
    flux: NDArray[np.float64],
    expected: NDArray[np.float64],
    error: NDArray[np.float64],
) -> Verdict:
    if miss.size == 0 or flux.size < 10:
        raise DataError("hardly a pixel of the spectrum is usable; see its flags")
    pull = (flux - expected) / error
    bins = [
        (a.sum(), b.sum())
        for a, b in zip(*(np.array_split(x, max(flux.size // 14, 2)) for x in (flux, expected)), strict=True)
    ]
    ratio = np.array([a / b for a, b in bins])
    return Verdict(
        wavelength_rms=float(np.sqrt(np.mean(miss**2))),
        wavelength_worst=float(np.abs(miss).max()),
        pixel_rms=float(np.sqrt(np.mean((miss / step) ** 2))),
        flux_ratio=float(np.median(ratio)),
        flux_scatter=robust(ratio),
        pull_mean=float(np.median(pull)),
        pull_std=robust(pull),
        signal_to_noise=float(np.median(flux / error)),
        velocity=velocity,
    )


def robust(values: NDArray[np.float64]) -> float:
    """Return the standard deviation by the median deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
