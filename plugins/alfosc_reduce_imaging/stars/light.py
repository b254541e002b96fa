"""The light of one frame above its background, with all that measuring it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alfosc_reduce.flags import Flag
from alfosc_reduce_imaging.stars.peaks import binned

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Light:
    """Light above the background; arrays of shape (ny, nx).

    Attributes
    ----------
    data
        Light.
    variance
        Of the light.
    flags
        Integer flags.
    good
        False where a pixel must not be used.
    rms
        Scatter of the background.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.int16]
    good: NDArray[np.bool_]
    rms: NDArray[np.float32]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where the light is known, or so bright that it saturates."""
        return np.asarray(self.good | ((self.flags & int(Flag.SATURATED)) != 0))


def binned_light(light: Light, factor: int) -> Light:
    """Return the light summed over squares of `factor` pixels a side; one bad pixel makes a square bad."""
    ny, nx = (size // factor for size in light.data.shape)
    blocks = light.flags[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    bad = binned((~light.good).astype(np.float32), factor) > 0
    return Light(
        data=binned(np.where(light.seen, light.data, np.float32(0)), factor),
        variance=binned(light.variance, factor),
        flags=np.bitwise_or.reduce(np.bitwise_or.reduce(blocks, axis=3), axis=1),
        good=~bad,
        rms=np.sqrt(binned(np.square(light.rms), factor)),
    )
