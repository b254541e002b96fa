"""The noise of a frame rebuilt from models of its light, so that no pixel's own fluctuation sets its weight.

A raw frame can only take its photon noise from its own noisy counts; pixels that scattered low then look more certain
than they are, and every weighted mean comes out low. Once the sky (and the object) are modelled, the counts in the
variance are exchanged for the modelled ones; all else that the variance holds is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

LIMITS = (0.2, 5.0)


def noise_without_light(header: Header) -> float:
    """Return the noise of a pixel without light in electrons (read noise and master bias), 0 if it is not known."""
    return float(header.get("DRKNOISE", header.get("RDNOISE", 0)))


def photon_scale(
    variance: NDArray[np.floating], photons: NDArray[np.floating], read_noise: float
) -> NDArray[np.floating]:
    """Return the variance that one electron in the data stands for, pixel by pixel.

    It is 1 on the detector and 1/flat after division by a flat, and follows from
    ``variance = (scale read_noise)**2 + scale photons``.

    Parameters
    ----------
    variance
        In electron squared.
    photons
        The electrons from which the photon noise in `variance` was worked out; negative ones count as none.
    read_noise
        Electrons, with all else that a pixel without light has; 0 if not known, then the scale is 1.
    """
    if read_noise <= 0:
        return np.ones_like(variance)
    counts = np.maximum(photons, 0)
    root = np.sqrt(counts * counts + 4 * read_noise**2 * np.maximum(variance, 0))
    # The usual form of the root of the quadratic loses all digits of bright pixels in 32 bits.
    root += counts
    scale = np.divide(2 * np.maximum(variance, 0), root, where=root > 0, out=np.ones_like(root))
    scale[~np.isfinite(scale)] = 1
    return np.asarray(np.clip(scale, *LIMITS, out=scale))


def exchange_photons(
    variance: NDArray[np.floating],
    old: NDArray[np.floating],
    new: NDArray[np.floating],
    scale: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Return `variance` with the photon noise of `new` electrons in the place of that of `old` ones."""
    changed = np.maximum(new, 0)
    changed = changed - np.maximum(old, 0)
    changed *= scale
    changed += variance
    return np.asarray(np.maximum(changed, 1e-6 * variance, out=changed))


def light_of_objects(
    residual: NDArray[np.floating], sky: NDArray[np.floating], read_noise: float, usable: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return a smooth estimate of the light that stands above the sky, zero where none is significant.

    Parameters
    ----------
    residual
        Sky-subtracted electrons, shape (ny, nx).
    sky
        The sky that was subtracted, electrons, shape (ny, nx).
    read_noise
        Electrons.
    usable
        Pixels that may be used.

    Returns
    -------
    ndarray
        Electrons: a Gaussian mean (sigma one pixel) of the usable neighbours where it exceeds twice its own noise.
    """
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(usable.astype(np.float32), 1.0)
    light = gaussian_filter(np.where(usable, residual, 0).astype(np.float32), 1.0)
    light /= np.maximum(weight, np.float32(1e-3))
    noise = max(read_noise, 1.0) ** 2 + np.maximum(sky, 0)
    # A Gaussian of one pixel averages 4 pi pixels.
    faint = light <= 2 * np.sqrt(noise / (4 * np.pi))
    light[faint | (weight <= 0.05)] = 0
    return np.asarray(light, np.float32)
