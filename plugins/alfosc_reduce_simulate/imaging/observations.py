"""What is observed in a night of images: fields, series of exposures, and when each is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alfosc_reduce_simulate.detector import Detector, Readout

OVERHEAD = 90.0
"""Seconds between exposures."""
ODDITIES = ("defocused", "trailed", "blank", "saturated", "satellite")
"""What may be wrong with an exposure."""


@dataclass(frozen=True)
class Injected:
    """A source that no catalogue knows, or not so.

    Attributes
    ----------
    east, north
        Arc seconds from the middle of the field.
    magnitude
        In r.
    colour
        g - r; the other bands follow as for a star.
    kind
        ``transient``; ``variable`` (a star in the catalogue at its mean magnitude); ``moving``.
    rate
        Of one that moves: arc seconds an hour to the east and north, from where it was at the start of the night.
    amplitude, period
        Of a variable: magnitudes, hours.
    """

    east: float
    north: float
    magnitude: float
    colour: float = 0.4
    kind: str = "transient"
    rate: tuple[float, float] = (0.0, 0.0)
    amplitude: float = 0.0
    period: float = 1.0


@dataclass(frozen=True)
class Field:
    """A piece of sky.

    Attributes
    ----------
    ra, dec
        Its middle, degrees, ICRS.
    stars, galaxies
        How many there are in 50 square arc minutes (about what the detector sees) down to `faintest`.
    brightest, faintest
        Range of r magnitudes of the stars.
    slope
        Stars a magnitude grow by this power of ten.
    injected
        Transients and the like.
    motions
        Scatter of the proper motions of its stars at r = 16, mas a year; fainter ones are further away, and slower. One
        in thirty of those brighter than 20.5 is near, and twenty times as fast.
    radius
        Degrees around the middle.
    seed
        Of all chance.
    """

    ra: float
    dec: float
    stars: int = 400
    galaxies: int = 150
    brightest: float = 12.5
    faintest: float = 23.5
    slope: float = 0.18
    injected: tuple[Injected, ...] = ()
    motions: float = 8.0
    radius: float = 0.15
    seed: int = 1


@dataclass(frozen=True)
class ImageSeries:
    """Exposures of a field in one band.

    Attributes
    ----------
    target
        ``OBJECT`` in the header.
    field
        What is there.
    band
        Of `alfosc_reduce_simulate.imaging.bands.BANDS`.
    seconds, count
        Exposure time, and number of exposures.
    dither
        Arc seconds from one exposure to the next, in a pattern about the middle of the field.
    angle
        Position angle of the rows, degrees; at -90 north is up and east is left.
    oddities
        By number of the exposure (from 0) what is wrong with it, of `ODDITIES`.
    """

    target: str
    field: Field
    band: str = "r"
    seconds: float = 120.0
    count: int = 4
    dither: float = 12.0
    angle: float = -90.0
    oddities: tuple[tuple[int, str], ...] = ()

    def oddity(self, number: int) -> str:
        """Return what is wrong with an exposure, or nothing."""
        return dict(self.oddities).get(number, "")


@dataclass(frozen=True)
class ImagingNight:
    """A night of images.

    Attributes
    ----------
    series
        In the order of observation; twilight flats follow in every band.
    readout
        Window and binning.
    start
        Of the first exposure, UTC, ISO.
    n_bias, n_flat
        Number of frames; flats in each band.
    seeing
        Full width at half maximum in arc seconds at air mass 1; grows with its power 0.6.
    seeing_scatter, sky_scatter, fringe_scatter
        Relative, from one exposure to the next.
    loss
        Largest loss by clouds in magnitudes; each exposure loses up to it.
    turn
        Scatter of the field rotation, degrees.
    brightness
        Of the sky, relative to a dark one.
    pointing_error
        Arc seconds to the east and north by which the header is wrong.
    angle_error
        Degrees by which the header's field rotation is too large.
    flipped
        The picture is mirrored, and the header does not know.
    distortion
        See `Optics`.
    sky_map
        ``header``: the image has the keywords of a sky map; ``none``: only pointing and field rotation are there.
    detector
        The truth about it.
    seed
        Of all chance: the same night twice is the same, bit for bit.
    """

    series: tuple[ImageSeries, ...]
    readout: Readout = field(default_factory=Readout)
    start: str = "2025-03-20T22:30:00"
    n_bias: int = 11
    n_flat: int = 5
    seeing: float = 0.9
    seeing_scatter: float = 0.08
    sky_scatter: float = 0.05
    fringe_scatter: float = 0.2
    loss: float = 0.1
    turn: float = 0.05
    brightness: float = 1.0
    pointing_error: tuple[float, float] = (4.0, -3.0)
    angle_error: float = 0.3
    flipped: bool = False
    distortion: float = 2.5
    sky_map: str = "header"
    detector: Detector = field(default_factory=Detector)
    seed: int = 1

    @property
    def evening(self) -> datetime:
        """Return the start of the first exposure, from which moving sources move."""
        return datetime.fromisoformat(self.start)


@dataclass(frozen=True)
class ImageExposure:
    """One frame to be taken.

    Attributes
    ----------
    kind
        ``bias``, ``imaging_flat`` or ``image``.
    name
        File name.
    start
        UTC.
    seconds
        Exposure time.
    band
        Empty for a bias.
    series
        To which an image belongs.
    number
        Among those of its series, or of its band's flats.
    seed
        Of this frame's chance.
    """

    kind: str
    name: str
    start: datetime
    seconds: float
    band: str
    series: ImageSeries | None
    number: int
    seed: tuple[int, int]

    @property
    def middle(self) -> datetime:
        """Return the middle of the exposure."""
        return self.start + timedelta(seconds=self.seconds / 2)

    @property
    def oddity(self) -> str:
        """Return what is wrong with the exposure, or nothing."""
        return self.series.oddity(self.number) if self.series else ""


def image_exposures(night: ImagingNight) -> list[ImageExposure]:
    """Return all frames of a night: images, flats of the morning's twilight, biases of the next afternoon."""
    wanted: list[tuple[str, float, str, ImageSeries | None, int]] = []
    for series in night.series:
        wanted += [("image", series.seconds, series.band, series, i) for i in range(series.count)]
    for name in dict.fromkeys(series.band for series in night.series):
        wanted += [("imaging_flat", 2.0 + 0.5 * i, name, None, i) for i in range(night.n_flat)]
    wanted += [("bias", 0.002, "", None, i) for i in range(night.n_bias)]
    return _scheduled(night, wanted)


def _scheduled(
    night: ImagingNight, wanted: list[tuple[str, float, str, ImageSeries | None, int]]
) -> list[ImageExposure]:
    clock = night.evening
    midday = (clock - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)
    prefix = f"ALD{'abcdefghijkl'[clock.month - 1]}{midday.day:02d}"
    starts = {"image": clock, "imaging_flat": midday + timedelta(hours=18.7), "bias": midday + timedelta(hours=30)}
    result = []
    for index, (kind, seconds, band, series, number) in enumerate(wanted):
        clock = max(clock, starts[kind])
        name = f"{prefix}{index + 1:04d}.fits"
        result.append(ImageExposure(kind, name, clock, seconds, band, series, number, (night.seed, index)))
        clock += timedelta(seconds=seconds + OVERHEAD)
    return result
