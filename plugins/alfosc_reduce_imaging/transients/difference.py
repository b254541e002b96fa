"""Two aligned images, matched and subtracted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.images import make_image
from alfosc_reduce_imaging.sources.measurement import prepare
from alfosc_reduce_imaging.stars.background import background, object_mask
from alfosc_reduce_imaging.stars.frame import frame_of
from alfosc_reduce_imaging.transients.alignment import Plane
from alfosc_reduce_imaging.transients.difference_noise import noise_cards, spread_of
from alfosc_reduce_imaging.transients.kernel import fit_kernel, make_basis
from alfosc_reduce_imaging.transients.matching_stars import stamps_of, stars_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alfosc_reduce_imaging.stars.psf import Psf

    Floats = NDArray[np.float64]

FWHM = 2.3548
NARROWEST = 0.25
"""Width of a kernel in the width of the stars that is allowed for even between images of equal seeing."""
BOX = 96
_THRESHOLD, _SMALLEST_AREA = 5.0, 5
LEAST_BLANK = 1000
SPREAD = (
    Flag.SATURATED | Flag.BAD_PIXEL | Flag.COSMIC_RAY | Flag.NOT_FINITE | Flag.OUTSIDE_DETECTOR | Flag.OUTSIDE_FIELD
)
"""Flags of the convolved image that hold as far around as the core of the kernel reaches."""


@dataclass(frozen=True)
class Difference:
    """What is left, and how it came about.

    Attributes
    ----------
    data, variance, flags
        Shape (ny, nx).
    ratio
        Flux of a star in the image over that in the reference.
    stamps, chi2
        Stars that the kernel was fitted to, and the median of their reduced chi squared.
    noise
        Scatter of blank sky over what the variances of both said before they were scaled by it.
    convolved
        ``reference`` or ``image``.
    fwhm, beta
        Moffat profile of its stars: full width at half maximum (pixels) and exponent.
    psf
        The point spread function of what is left: that of the blunter image, to which the other was made like.
    noise_factor, noise_length
        What `alfosc_reduce_imaging.correlated_noise` calls NOISECOR and NOISELEN.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.int16]
    ratio: float
    stamps: int
    chi2: float
    noise: float
    convolved: str
    fwhm: float
    beta: float
    psf: Psf | None
    noise_factor: float
    noise_length: float


def difference_of(
    image: Plane, reference: Plane, phases: Floats, factors: tuple[float, float], name: str
) -> Difference:
    """Match the sharper of two aligned images to the other and subtract.

    Parameters
    ----------
    image, reference
        On the same pixels.
    phases
        Fractions of a pixel at which the reference was interpolated, shape (2, n).
    factors
        ``NOISECOR`` of both.
    name
        Of the image, for errors.
    """
    ours, theirs = stars_of(image, name), stars_of(reference, f"{name}, its reference image")
    own = theirs.seeing > ours.seeing
    sharp, blunt = (image, reference) if own else (reference, image)
    psf = psf_of(blunt)
    sharp, blunt = without_sky(sharp), without_sky(blunt)
    seeing = max(ours.seeing, theirs.seeing)
    width = np.sqrt(max(abs(ours.seeing**2 - theirs.seeing**2), (NARROWEST * seeing) ** 2)) / FWHM
    basis = make_basis(float(width))
    fit = fit_kernel(*stamps_of(sharp, blunt, ours, seeing, basis.half, name), image.data.shape, basis)
    remainder = blunt.data - fit.kernel.convolve(sharp.data)
    middle = fit.kernel.at((image.data.shape[1] - 1) / 2, (image.data.shape[0] - 1) / 2)
    delta = np.ones((1, 1))
    straight, interpolated = (middle, delta) if own else (delta, middle)
    spreads = [spread_of(straight, None), spread_of(interpolated, phases)][:: -1 if own else 1]
    variance = _convolved(blunt.variance, spreads[0].square) + _convolved(sharp.variance, spreads[1].square)
    scale = np.float32(-1 / fit.kernel.ratio if own else 1.0)
    flags = _without_rim(blunt.flags | _around(sharp.flags, int(np.ceil(width)) + 1), int(np.ceil(2 * width)) + 1)
    data, variance = remainder * scale, variance * scale**2
    data -= background(data, ~mask_of(flags), box=BOX)[0]
    noise = _blank_scatter(data, variance, flags, blunt.data)
    good = ~mask_of(flags)
    typical = [float(np.median(plane.variance[good])) if good.any() else 1.0 for plane in (blunt, sharp)]
    cards = noise_cards(typical, spreads, factors[::-1] if own else factors)
    return Difference(
        data=data,
        variance=np.asarray(variance * np.float32(noise**2), np.float32),
        flags=flags,
        ratio=float(1 / fit.kernel.ratio if own else fit.kernel.ratio),
        stamps=int(fit.used.sum()),
        chi2=float(np.median(fit.chi2[fit.used])),
        noise=noise,
        convolved="image" if own else "reference",
        fwhm=seeing,
        beta=(ours if ours.seeing == seeing else theirs).beta,
        psf=psf,
        noise_factor=cards[0],
        noise_length=cards[1],
    )


def psf_of(plane: Plane) -> Psf | None:
    """Return the point spread function of an image from its stars, None if none of them tells it."""
    from astropy.io.fits import Header

    image = make_image(plane.data, unit="electron", header=Header(), variance=plane.variance, flags=plane.flags)
    return prepare(frame_of(image), _THRESHOLD, _SMALLEST_AREA, None).psf


def without_sky(plane: Plane) -> Plane:
    """Return an image less its background; unusable pixels are 0, but saturated ones keep their light."""
    level = background(plane.data, ~mask_of(plane.flags), box=BOX)[0]
    bad = mask_of(plane.flags & np.int16(~int(Flag.SATURATED)))
    return Plane(np.where(bad, np.float32(0), plane.data - level), plane.variance, plane.flags)


def _convolved(variance: NDArray[np.float32], kernel: Floats) -> NDArray[np.float32]:
    from scipy.signal import oaconvolve

    if kernel.size == 1:
        return variance * np.float32(kernel[0, 0])
    half = kernel.shape[0] // 2
    padded = np.pad(variance, half, mode="reflect")
    found = oaconvolve(padded, kernel[::-1, ::-1].astype(np.float32), mode="valid")
    return np.asarray(np.maximum(found, 0), np.float32)


def _around(flags: NDArray[np.int16], reach: int) -> NDArray[np.int16]:
    """Return the flags of the convolved image, those that spoil the kernel's core spread around."""
    from scipy.ndimage import maximum_filter1d

    found = flags.copy()
    for flag in SPREAD:
        marked = ((flags & int(flag)) != 0).view(np.uint8)
        if marked.any():
            for axis in (0, 1):
                marked = maximum_filter1d(marked, 2 * reach + 1, axis=axis)
            found |= np.where(marked, np.int16(flag), np.int16(0))
    return found


def _without_rim(flags: NDArray[np.int16], reach: int) -> NDArray[np.int16]:
    """Return flags that say that along the rim, where the kernel reaches beyond the image, there is no difference."""
    rim = np.ones(flags.shape, bool)
    rim[reach:-reach, reach:-reach] = False
    return flags | np.where(rim, np.int16(Flag.OUTSIDE_DETECTOR), np.int16(0))


def _blank_scatter(
    data: NDArray[np.float32], variance: NDArray[np.float32], flags: NDArray[np.int16], light: NDArray[np.float32]
) -> float:
    """Return the robust scatter of blank sky over its expected one; 1 if there is none."""
    good = ~mask_of(flags) & (variance > 0)
    level, rms = background(light, good, box=BOX)
    blank = good & ~object_mask(np.where(good, light - level, np.nan), rms)
    if blank.sum() < LEAST_BLANK:
        return 1.0
    pull = data[blank] / np.sqrt(variance[blank])
    pull = pull[:: max(1, len(pull) // 500_000)]
    return float(1.4826 * np.median(np.abs(pull - np.median(pull))))
