"""What CCD steps hand on beside images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorNoise:
    """Gain and read noise of a detector read-out, measured and as the header has them, and which are used.

    Attributes
    ----------
    gain, gain_error
        The gain used, electron/ADU, and its standard error (0 for a header value).
    read_noise, read_noise_error
        The read noise used, electron, and its standard error.
    measured_gain, measured_gain_error
        From the flats; NaN if not measured.
    measured_read_noise, measured_read_noise_error
        From the bias frames, electron at `gain`; NaN if not measured.
    header_gain, header_read_noise
        As the header says; NaN if it does not.
    gain_source, read_noise_source
        ``measured`` or ``header``.
    bias_frames, flat_frames
        How many frames were measured.
    levels, variances
        Light level and variance of the blocks of the flats behind the gain, both in ADU; empty if not measured.
    """

    gain: float
    gain_error: float
    read_noise: float
    read_noise_error: float
    measured_gain: float
    measured_gain_error: float
    measured_read_noise: float
    measured_read_noise_error: float
    header_gain: float
    header_read_noise: float
    gain_source: str
    read_noise_source: str
    bias_frames: int
    flat_frames: int
    levels: tuple[float, ...] = ()
    variances: tuple[float, ...] = ()
