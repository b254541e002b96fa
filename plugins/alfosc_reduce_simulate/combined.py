"""How close the combination of all exposures of a target comes to the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_simulate.judgement import C, flux_of, judged, nearest, robust, slit_factor, unit_of, vacuum

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from alfosc_reduce_simulate.truth import Truth


def judge_combined(truth: Truth, files: list[str], folder: Path) -> str:
    """Return how well the exposures of one target were combined, as a sentence.

    Parameters
    ----------
    truth
        Of the night.
    files
        Raw files of the exposures.
    folder
        Of the target, with ``<target>_<setup>_spec1d.fits``.

    Raises
    ------
    DataError
        If there is no such file, or the target is not in it.
    """
    from alfosc_reduce.products import load
    from alfosc_reduce.spectra import spectrum_variance

    paths = sorted(folder.glob("*_spec1d.fits"))
    if not paths:
        raise DataError(f"{folder}: no combined spectrum; see reduced/log.txt for why")
    spectrum = _of_target(truth, files, load(paths[0]))
    wavelength = barycentric(truth, files[0], spectrum)
    good = judged(wavelength) & ~np.asarray(spectrum.mask, bool)
    flux, expected = flux_of(spectrum)[good], expectation(truth, reference(files, spectrum), wavelength)[good]
    error = np.sqrt(spectrum_variance(spectrum))[good] * unit_of(spectrum)
    pull = (flux - expected) / error
    return (
        f"{folder.name}, {len(files)} exposures combined: flux over truth is {np.median(flux / expected):.3f}; "
        f"(flux - truth)/error has mean {np.median(pull):+.2f} and standard deviation {robust(pull):.2f}; median "
        f"signal to noise {np.median(flux / error):.0f} a pixel"
    )


def barycentric(truth: Truth, file: str, spectrum: Any) -> NDArray[np.float64]:
    """Return the barycentric vacuum wavelengths of a spectrum, in Angstrom."""
    from alfosc_reduce.spectra import header_of

    header = header_of(spectrum)
    wavelength = vacuum(np.asarray(spectrum.spectral_axis.to_value("Angstrom")), header)
    if str(header.get("SPECSYS", "TOPOCENT")).upper().startswith("BARY"):
        return wavelength
    return wavelength * (1 + truth.velocity(file) / C)


def reference(files: list[str], spectrum: Any) -> str:
    """Return the exposure to whose light the others were scaled, which ``CSCLnnnn`` says; the first if nothing does."""
    from alfosc_reduce.spectra import header_of

    header = header_of(spectrum)
    scales = {str(header[f"COMB{key[4:]}"]): float(header[key]) for key in header if key.startswith("CSCL")}
    return min(files, key=lambda file: abs(scales.get(file, 1.0) - 1))


def expectation(truth: Truth, file: str, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the flux at barycentric vacuum wavelengths, with what the slit passed in one exposure."""
    true = truth.of(file)
    flux = true["flux"] * slit_factor(truth, file, 0, slice(0, true["flux"].size))
    return np.interp(wavelength, true["wavelength"] * (1 + truth.velocity(file) / C), flux)


def _of_target(truth: Truth, files: list[str], spectra: Any) -> Any:
    """Return the spectrum of the target; its place is that on one of the exposures."""
    for file in files:
        try:
            return nearest(truth, file, spectra)
        except DataError as error:
            reason = error
    raise reason
