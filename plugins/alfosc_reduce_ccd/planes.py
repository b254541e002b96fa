"""The arrays of frames, held so that memory-mapped files stay on disk, and what tells a bad frame from its fellows."""

from __future__ import annotations

import logging
import mmap
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_ccd.naming import name_of
from alfosc_reduce_ccd.statistics import MAD_TO_SIGMA, difference_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ROWS = 48
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Planes:
    """The arrays of one frame, perhaps memory-mapped; the header and two robust numbers.

    Attributes
    ----------
    data, variance, flags
        Shape (ny, nx); `variance` and `flags` may be None.
    header
        Of the frame.
    name
        Of the frame.
    level, noise
        Median of the data, and standard deviation of neighbouring pixels, on a sample of rows.
    """

    data: NDArray[Any]
    variance: NDArray[Any] | None
    flags: NDArray[Any] | None
    header: Header
    name: str
    level: float
    noise: float

    @property
    def shape(self) -> tuple[int, ...]:
        """(ny, nx)."""
        return self.data.shape

    def let_go(self) -> None:
        """Give back memory of what was read of arrays on disk."""
        unmap(self.data, self.variance, self.flags)


def unmap(*arrays: NDArray[Any] | None) -> None:
    """Give back memory of arrays on disk: the system's cache still has them, but they no longer count as ours."""
    for array in arrays:
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        # A private map that somebody wrote to would lose what was written.
        if isinstance(base, mmap.mmap) and array is not None and not array.flags.writeable:
            base.madvise(mmap.MADV_DONTNEED)


def planes_of(frames: Sequence[CCDData], what: str) -> list[Planes]:
    """Return the arrays of frames that belong together.

    The ``CCDData`` themselves are let go one by one: their masks, made in memory, would cost more than the strips.

    Parameters
    ----------
    frames
        Loaded when indexed, perhaps.
    what
        What they are, for messages (``bias``).

    Raises
    ------
    DataError
        If there are none, or their size, binning, window or gain differ.
    """
    planes = []
    for i in range(len(frames)):
        planes.append(_planes(frames[i]))
        planes[-1].let_go()
    if not planes:
        raise DataError(f"{what}: there are no frames to combine; add some or disable this step")
    check_alike(planes, what)
    if 0 in planes[0].shape or len(planes[0].shape) != 2:
        raise DataError(f"{what}: {planes[0].name} holds no image (shape {planes[0].shape}); exclude it")
    return planes


def check_alike(planes: Sequence[Planes], what: str) -> None:
    """Raise `DataError` that names the frames if their size, binning, window or gain differ."""
    groups: dict[str, list[str]] = defaultdict(list)
    for plane in planes:
        groups[_readout(plane)].append(plane.name)
    if len(groups) > 1:
        found = "; ".join(f"{_some(names)} with {readout}" for readout, names in groups.items())
        raise DataError(f"{what}: frames of different read-outs are mixed: {found}. Combine them apart.")


def without_outliers(
    planes: Sequence[Planes], what: str, *, level_tolerance: float, noise_ratio: float = 1.5
) -> list[Planes]:
    """Leave out frames whose level or noise is not that of their fellows, with a warning that names them.

    Parameters
    ----------
    planes
        Frames of one kind; with fewer than three, only dead ones can be told.
    what
        For messages.
    level_tolerance
        By how much (in the frames' unit) a level may differ before it can be called wrong.
    noise_ratio
        By which factor a noise may differ.

    Raises
    ------
    DataError
        If nothing is left.
    """
    reasons = {plane: "holds no signal at all" for plane in planes if not plane.noise > 0}
    alive = [plane for plane in planes if plane not in reasons]
    if len(alive) >= _FEWEST:
        reasons |= _deviants(alive, level_tolerance, noise_ratio)
    for plane, reason in reasons.items():
        logger.warning("%s: %s %s; it is left out.", what, plane.name, reason)
    good = [plane for plane in planes if plane not in reasons]
    if not good:
        raise DataError(
            f"{what}: none of the {len(planes)} frames can be used; look at {_some([p.name for p in planes])}"
        )
    return good


def _deviants(planes: Sequence[Planes], tolerance: float, ratio: float) -> dict[Planes, str]:
    levels = np.array([plane.level for plane in planes])
    noises = np.array([plane.noise for plane in planes])
    level, noise = np.median(levels), np.median(noises)
    limit = max(tolerance, 8 * MAD_TO_SIGMA * float(np.median(np.abs(levels - level))))
    reasons: dict[Planes, str] = {}
    for plane in planes:
        if abs(plane.level - level) > limit:
            reasons[plane] = f"has the level {plane.level:.6g} where the others have {level:.6g}"
        elif not noise / ratio < plane.noise < ratio * noise:
            reasons[plane] = f"has the noise {plane.noise:.4g} where the others have {noise:.4g}"
    return reasons


def _planes(frame: CCDData) -> Planes:
    data = np.asarray(frame.data) if not isinstance(frame.data, np.ndarray) else frame.data
    variance = None
    if frame.uncertainty is not None:
        from alfosc_reduce.images import variance_of

        exact = frame.uncertainty.uncertainty_type == "var"
        variance = frame.uncertainty.array if exact else variance_of(frame)
    flags = frame.flags
    if flags is None and frame.mask is not None:
        from alfosc_reduce.images import flags_of

        flags = flags_of(frame)
    sample = np.asarray(data[:: max(1, data.shape[0] // _ROWS)], np.float64)
    finite = sample[np.isfinite(sample)]
    level = float(np.median(finite)) if finite.size else float("nan")
    noise = difference_noise(sample, -1) if finite.size else 0.0
    return Planes(data, variance, flags, frame.meta, name_of(frame), level, noise)


def _readout(plane: Planes) -> str:
    header = plane.header
    size = " x ".join(str(n) for n in reversed(plane.shape)) + " pixels"
    window, binning, gain = header.get("DETSEC", ""), header.get("CCDSUM", ""), header.get("GAIN", "")
    return f"{size}, window {window or '?'}, binning {binning or '?'}, gain {gain or '?'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
