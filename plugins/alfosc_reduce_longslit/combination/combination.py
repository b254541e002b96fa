"""All exposures of a target as one spectrum an object."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import UNUSABLE, Flag
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.combination.grid import Stack
from alfosc_reduce_longslit.combination.group import combine_group
from alfosc_reduce_longslit.combination.mean import Combined
from alfosc_reduce_longslit.combination.objects import match_objects, of_one_unit
from alfosc_reduce_longslit.combination.scale import disagreement
from alfosc_reduce_longslit.response.points import frame_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.io.fits import Header
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from specutils import Spectrum, SpectrumList

_log = logging.getLogger(__name__)


class CombineSpectra(Step):
    """Average the exposures of a target, object by object.

    The exposures come to the wavelengths of the one with the best signal to noise (which is not resampled) and to its
    level: by one factor, or by a quadratic in wavelength where light was lost at the slit in another colour and the
    signal is good enough to see it. The mean has smooth inverse-variance weights, outliers are left out and flagged,
    and errors follow from what went in. Exposures that differ by more than their errors even so are named. A single
    exposure passes through.
    """

    scale: bool = True
    """Bring all exposures to the level of the best one, smoothly in wavelength where needed (slit losses, clouds)."""

    def __call__(self, spectra: list[SpectrumList]) -> SpectrumList:
        """Return one spectrum an object, the target first."""
        from specutils import SpectrumList as Spectra

        exposures = [objects for objects in spectra if len(objects)]
        if not exposures:
            raise DataError("combination: none of the exposures has an object; look at the sky-subtracted frames")
        return Spectra([self.combined(group) for group in match_objects(exposures)])

    def combined(self, group: Sequence[Spectrum]) -> Spectrum:
        """Return the mean of spectra of one object."""
        kept = of_one_unit(group)
        if len(kept) == 1:
            return _copied(kept[0])
        stack, found, reference = combine_group(kept, scale=self.scale)
        _report(kept, stack, found, reference)
        return _spectrum(kept, reference, stack, found)

    def quality(self, result: SpectrumList, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how well the exposures agree within their errors."""
        from alfosc_reduce_longslit.combination.quality import combination_quality

        return combination_quality(result, inputs.get("spectra", []), scale=self.scale)

    def figures(self, result: SpectrumList, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the combined spectrum of the target, and its exposures with their difference over its error."""
        from alfosc_reduce_longslit.combination.figures import exposures_figure
        from alfosc_reduce_longslit.flux.figures import spectrum_figure

        yield "combined", spectrum_figure(result[0])
        exposures = [objects for objects in inputs.get("spectra", []) if len(objects)]
        kept = of_one_unit(match_objects(exposures)[0]) if exposures else []
        if len(kept) > 1:
            yield "exposures", exposures_figure(kept, scale=self.scale)


def _report(spectra: Sequence[Spectrum], stack: Stack, found: Combined, reference: int) -> None:
    """Say which exposures were scaled by more than a factor, and which disagree with the best all the same."""
    best = frame_name(spectra[reference])
    for i, spectrum in enumerate(spectra):
        curve = found.scales[i][found.used[i]]
        if curve.size and np.ptp(curve) > 0:
            _log.info(
                "%s: the light caught relative to %s changes by %.1f %% along the spectrum (slit losses); scaled by a "
                "quadratic in wavelength.", frame_name(spectrum), best, 100 * float(curve.max() / curve.min() - 1),
            )  # fmt: skip
        much = disagreement(stack, found, i, reference)
        if much is not None:
            _log.warning(
                "%s differs from %s by %.1f times the errors of both (%.1f %% of the flux) after scaling: what is left "
                "changes too quickly with wavelength for slit losses, as an imperfect flat field does.",
                frame_name(spectrum), best, *much,
            )  # fmt: skip


def _spectrum(spectra: Sequence[Spectrum], reference: int, stack: Stack, found: Combined) -> Spectrum:
    header = _header(spectra, reference, stack, found)
    unit = spectra[reference].flux.unit
    return make_spectrum(
        stack.wavelength * u.AA,
        found.flux * unit,
        variance=found.variance,
        header=header,
        flags=combined_flags(stack.flags, found),
        columns=_columns(spectra, reference, found),
    )


def combined_flags(flags: NDArray[np.int16], found: Combined) -> NDArray[np.int16]:
    """Return the flags of a mean.

    Flags that leave a value usable come from all that went in. Where nothing went in, all flags of all exposures do.
    ``REJECTED`` there says that outliers were all there was; where the rest was used, the mean is good.
    """
    inside = np.bitwise_or.reduce(np.where(found.used, flags & ~np.int16(int(UNUSABLE)), 0), axis=0)
    anything = np.bitwise_or.reduce(flags, axis=0)
    nothing = ~found.used.any(axis=0)
    bits: NDArray[np.int16] = np.asarray(np.where(nothing, anything, inside), np.int16)
    bits[nothing & ((bits & int(UNUSABLE)) == 0)] |= Flag.REJECTED
    return bits


def _columns(spectra: Sequence[Spectrum], reference: int, found: Combined) -> dict[str, u.Quantity]:
    """Combine the further columns that all exposures have, with the weights of exposures being equal."""
    names = set.intersection(*(set(columns_of(spectrum)) for spectrum in spectra))
    first = columns_of(spectra[reference])
    wavelength = spectra[reference].spectral_axis.to_value(u.AA)
    share = found.used / np.maximum(found.used.sum(axis=0), 1)
    done: dict[str, u.Quantity] = {}
    for name in (name for name in first if name in names):
        rows = np.array(
            [np.interp(wavelength, s.spectral_axis.to_value(u.AA), columns_of(s)[name].value) for s in spectra]
        )
        rows = rows * found.scales if first[name].unit == spectra[reference].flux.unit else rows
        error = name.startswith("ERR")
        mean = np.sqrt(np.sum((share * rows) ** 2, axis=0)) if error else np.sum(share * rows, axis=0)
        done[name] = mean * first[name].unit
    return done


def _header(spectra: Sequence[Spectrum], reference: int, stack: Stack, found: Combined) -> Header:
    header = header_of(spectra[reference])
    header["NCOMBINE"] = (len(spectra), "exposures combined")
    header["NREJECT"] = (int(found.rejected.sum()), "values rejected as outliers")
    header["NOISECOR"] = (round(stack.noise_correction, 4), "error of sums along x / naive error")
    times = [header_of(spectrum).get("EXPTIME", 0) for spectrum in spectra]
    if u.electron not in spectra[reference].flux.unit.bases:
        header["EXPTIME"] = (float(sum(times)), "total exposure time, s")
    for i, (spectrum, scale) in enumerate(zip(spectra, found.scales, strict=True), start=1):
        header[f"COMB{i:04d}"] = (frame_name(spectrum)[:60], "combined exposure")
        header[f"CSCL{i:04d}"] = (round(float(np.median(scale)), 5), "it was multiplied with this (median)")
        header[f"CCOL{i:04d}"] = (round(float(scale[-1] / scale[0]), 5), "the same at the red over the blue end")
    return header


def _copied(spectrum: Spectrum) -> Spectrum:
    header = header_of(spectrum)
    header["NCOMBINE"] = (1, "exposures combined")
    return make_spectrum(
        spectrum.spectral_axis.to_value(u.AA) * u.AA,
        spectrum.flux,
        variance=spectrum_variance(spectrum),
        header=header,
        flags=spectrum_flags(spectrum),
        columns=columns_of(spectrum),
    )
