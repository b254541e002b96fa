"""What is observed in a night: targets, calibrations, and when each exposure is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alfosc_reduce_simulate.detector import Detector, Readout
from alfosc_reduce_simulate.sources import SourceSpectrum

OVERHEAD = 45.0
"""Seconds between exposures."""


@dataclass(frozen=True)
class Source:
    """Something on the slit.

    Attributes
    ----------
    spectrum
        Its flux above the atmosphere.
    position
        Arc seconds along the slit from the middle of the window.
    offset
        Arc seconds across the slit, from its middle.
    """

    spectrum: SourceSpectrum
    position: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True)
class Target:
    """A pointing of the telescope, with everything that is on the slit.

    Attributes
    ----------
    name
        ``OBJECT`` in the header.
    ra, dec
        Degrees, J2000.
    sources
        Brightest first.
    exposure
        Seconds of each exposure.
    count
        Number of exposures.
    nod
        Arc seconds along the slit by which each exposure is moved from the one before.
    standard
        A spectrophotometric standard.
    arcs
        Number of arcs taken at this position after the exposures.
    """

    name: str
    ra: float
    dec: float
    sources: tuple[Source, ...]
    exposure: float
    count: int = 1
    nod: float = 0.0
    standard: bool = False
    arcs: int = 1


@dataclass(frozen=True)
class Night:
    """A night with one setting of the spectrograph.

    Attributes
    ----------
    targets
        In the order of observation.
    grism, slit
        As in the headers.
    filter
        Name in the second FASU wheel.
    readout
        Window and binning.
    start
        Of the first exposure of a target, UTC, ISO.
    n_bias, n_flat
        Number of frames.
    flat_exposure, arc_exposure
        In seconds; of several arc exposures the arcs of a target take one after the other.
    lamps
        Of the arcs: ``He``, ``Ne``, ``ThAr``; all at once.
    seeing
        Full width at half maximum in arc seconds at 5000 Angstrom and air mass 1; grows with its power 0.6.
    brightness
        Of the sky, relative to a dark one.
    flexure
        Unbinned pixels at the middle, and more at the red end, by which targets are shifted from their arcs.
    drift
        Unbinned pixels an hour by which the light of targets and arcs moves in the course of the night.
    trace
        Slope in pixels along the slit a pixel of dispersion, and curvature in pixels at the ends.
    second_order
        Blue light of targets and sky appears again in the red, where the instrument's table says so, and as strong as
        the table says, where that was measured; the light of lamps always does.
    detector
        The truth about it.
    seed
        Of all chance: the same night twice is the same, bit for bit.
    """

    targets: tuple[Target, ...]
    grism: str = "Grism_#4"
    slit: str = "Slit_1.0"
    filter: str = "WG345 356_LP"
    readout: Readout = field(default_factory=lambda: Readout((851, 1250, 1, 2102), (1, 2)))
    start: str = "2020-03-20T21:00:00"
    n_bias: int = 5
    n_flat: int = 3
    flat_exposure: float = 5.0
    arc_exposure: float | tuple[float, ...] = 3.0
    lamps: tuple[str, ...] = ("He", "Ne")
    seeing: float = 0.9
    brightness: float = 1.0
    flexure: tuple[float, float] = (0.0, 0.0)
    drift: float = 0.0
    trace: tuple[float, float] = (0.003, 1.5)
    second_order: bool = False
    detector: Detector = field(default_factory=Detector)
    seed: int = 1


@dataclass(frozen=True)
class Exposure:
    """One frame to be taken.

    Attributes
    ----------
    kind
        ``bias``, ``flat``, ``arc``, ``object`` or ``standard``.
    name
        File name.
    start
        UTC.
    seconds
        Exposure time.
    target
        At which the telescope points, None for calibrations of the day.
    number
        Of the exposure among those of its target, from 0.
    seed
        Of this frame's chance.
    """

    kind: str
    name: str
    start: datetime
    seconds: float
    target: Target | None
    number: int
    seed: tuple[int, int]

    @property
    def middle(self) -> datetime:
        """Return the middle of the exposure."""
        return self.start + timedelta(seconds=self.seconds / 2)


def exposures(night: Night) -> list[Exposure]:
    """Return all frames of a night: targets each with arcs, flats in the morning, biases in the next afternoon."""
    wanted: list[tuple[str, Target | None, float, int]] = []
    for target in night.targets:
        kind = "standard" if target.standard else "object"
        wanted += [(kind, target, target.exposure, i) for i in range(target.count)]
        wanted += [("arc", target, _arc_exposure(night, i), i) for i in range(target.arcs)]
    wanted += [("flat", None, night.flat_exposure, i) for i in range(night.n_flat)]
    wanted += [("bias", None, 0.002, i) for i in range(night.n_bias)]
    return _scheduled(night, wanted)


def _arc_exposure(night: Night, number: int) -> float:
    given = night.arc_exposure if isinstance(night.arc_exposure, tuple) else (night.arc_exposure,)
    return given[number % len(given)]


def _scheduled(night: Night, wanted: list[tuple[str, Target | None, float, int]]) -> list[Exposure]:
    clock = datetime.fromisoformat(night.start)
    morning, afternoon = clock.replace(hour=7) + timedelta(days=1), clock.replace(hour=18) + timedelta(days=1)
    prefix = f"ALD{'abcdefghijkl'[clock.month - 1]}"
    result = []
    for index, (kind, target, seconds, number) in enumerate(wanted):
        clock = max(clock, morning if kind == "flat" else afternoon if kind == "bias" else clock)
        day = (clock - timedelta(hours=12)).day
        result.append(
            Exposure(
                kind, f"{prefix}{day:02d}{index + 1:04d}.fits", clock, seconds, target, number, (night.seed, index)
            )
        )
        clock += timedelta(seconds=seconds + OVERHEAD)
    return result
