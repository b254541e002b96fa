"""How the detector was read: window, binning, and which pixels of the array saw light.

Detector pixels are unbinned, counted from 1, as ``DETWIN1`` counts them; array pixels are binned, counted from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError
from alfosc_reduce_alfosc.keywords import frame_name, mid_exposure, number, text
from alfosc_reduce_alfosc.tables import records

if TYPE_CHECKING:
    from astropy.io.fits import Header

_SAME_GAIN = 0.02
Section = tuple[int, int, int, int]
"""First and last column, first and last row; both ends included."""


@dataclass(frozen=True)
class Detector:
    """A detector and the unbinned pixels of its read-out: what saw light and what is overscan.

    Attributes
    ----------
    name
        For example ``CCD14``.
    gain, read_noise
        As the headers say (electron/ADU, electron); a header that speaks goes first.
    saturation, linear_limit
        ADU.
    scale
        Arc seconds an unbinned pixel.
    columns, rows
        Size of the full read-out.
    x_light, y_light
        First and last exposed column and row.
    prescan, x_overscan, y_overscan
        First and last column or row without light.
    """

    name: str
    gain: float
    read_noise: float
    saturation: float
    linear_limit: float
    scale: float
    columns: int
    rows: int
    x_light: tuple[int, int]
    y_light: tuple[int, int]
    prescan: tuple[int, int]
    x_overscan: tuple[int, int]
    y_overscan: tuple[int, int]


@dataclass(frozen=True)
class Readout:
    """A window of the detector with a binning.

    Attributes
    ----------
    detector
        What was read.
    window
        In unbinned detector pixels.
    binning
        Along x and y.
    speed
        As ``FPIX`` says, empty if it does not.
    gain
        As ``GAIN`` says, if that is not the usual one of the detector, else empty.
    """

    detector: Detector
    window: Section
    binning: tuple[int, int] = (1, 1)
    speed: str = ""
    gain: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the array; what does not fill a binned pixel is not read."""
        x1, x2, y1, y2 = self.window
        return (y2 - y1 + 1) // self.binning[1], (x2 - x1 + 1) // self.binning[0]

    @property
    def label(self) -> str:
        """The coordinate by which frames are matched, e.g. ``[851:1250,1:2102] 1x2 200``."""
        return " ".join(part for part in (self.window_text, self.binning_text, self.speed, self.gain) if part)

    @property
    def window_text(self) -> str:
        """The window as FITS writes sections."""
        return section_text(self.window)

    @property
    def binning_text(self) -> str:
        """The binning, e.g. ``1x2``."""
        return f"{self.binning[0]}x{self.binning[1]}"

    def trim(self) -> Section | None:
        """Return the array pixels that are exposed over all of their area, or None."""
        return self._inside(self.detector.x_light, self.detector.y_light)

    def overscans(self) -> list[Section]:
        """Return the sections of the array without any light, the larger first.

        Overscan columns and prescan columns keep the exposed rows only, overscan rows the exposed columns only, so that
        the level is followed row by row (column by column) where the light is.
        """
        detector = self.detector
        found = [
            self._inside(detector.x_overscan, detector.y_light),
            self._inside(detector.x_light, detector.y_overscan),
            self._inside(detector.prescan, detector.y_light),
        ]
        return sorted((section for section in found if section), key=_area, reverse=True)

    def detector_section(self, section: Section) -> Section:
        """Return the unbinned detector pixels that a section of the array covers."""
        x1, x2, y1, y2 = section
        left, _, bottom, _ = self.window
        across, up = self.binning
        return left + (x1 - 1) * across, left + x2 * across - 1, bottom + (y1 - 1) * up, bottom + y2 * up - 1

    def _inside(self, x: tuple[int, int], y: tuple[int, int]) -> Section | None:
        rows, columns = self.shape
        across = _covered(x, self.window[0], self.binning[0], columns)
        up = _covered(y, self.window[2], self.binning[1], rows)
        return None if across is None or up is None else (*across, *up)


def section_text(section: Section | None) -> str:
    """Return a section as FITS writes it, ``[x1:x2,y1:y2]``; empty for none."""
    return "" if section is None else "[{}:{},{}:{}]".format(*section)


def detector(header: Header | None = None) -> Detector:
    """Return the detector of a frame (of today, without a header), by ``CCDNAME`` and date."""
    row = _detector_row(header)
    values = {key: row[key] for key in ("name", "gain", "read_noise", "saturation", "linear_limit", "scale")}
    return Detector(
        **values,
        columns=row["columns"],
        rows=row["rows"],
        x_light=(row["x_first"], row["x_last"]),
        y_light=(row["y_first"], row["y_last"]),
        prescan=(row["prescan_first"], row["prescan_last"]),
        x_overscan=(row["overscan_x_first"], row["overscan_x_last"]),
        y_overscan=(row["overscan_y_first"], row["overscan_y_last"]),
    )


def readout(header: Header) -> Readout:
    """Return how a frame was read; raises `DataError` if window or binning are missing or impossible."""
    chip = detector(header)
    binning = _binning(header, "DETXBIN"), _binning(header, "DETYBIN")
    window = _window(header, chip, binning)
    speed = text(header, "FPIX", "")
    return Readout(chip, window, binning, speed.removesuffix(".0").removesuffix("."), _unusual_gain(header, chip))


def _unusual_gain(header: Header, chip: Detector) -> str:
    gain = number(header, "GAIN", chip.gain)
    return "" if abs(gain - chip.gain) < _SAME_GAIN * chip.gain else f"gain {gain:g}"


def _detector_row(header: Header | None) -> dict[str, Any]:
    rows = records("detectors")
    if header is None:
        return rows[-1]
    date = mid_exposure(header).date().isoformat()
    fitting = [row for row in rows if str(row["first"]) <= date <= str(row["last"])]
    name = text(header, "CCDNAME", str(fitting[-1]["name"]) if fitting else "")
    named = [row for row in fitting if row["name"] == name]
    if not named:
        known = ", ".join(f"{row['name']} since {row['first']}" for row in rows)
        raise DataError(f"{frame_name(header)}: no detector {name!r} of {date} in the tables (there are: {known})")
    return named[-1]


def _binning(header: Header, keyword: str) -> int:
    value = number(header, keyword)
    if value < 1 or value != int(value):
        raise DataError(f"{frame_name(header)}: keyword {keyword} = {value:g} is no binning; correct it")
    return int(value)


def _window(header: Header, chip: Detector, binning: tuple[int, int]) -> Section:
    full = (1, chip.columns, 1, chip.rows)
    value = text(header, "DETWIN1", section_text(full))
    match = re.fullmatch(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]", value)
    if not match:
        raise DataError(f"{frame_name(header)}: keyword DETWIN1 = {value!r} is no window [x1:x2, y1:y2]; correct it")
    x1, x2, y1, y2 = (int(part) for part in match.groups())
    if not (1 <= x1 < x2 <= chip.columns and 1 <= y1 < y2 <= chip.rows):
        raise DataError(f"{frame_name(header)}: the window DETWIN1 = {value} is outside {section_text(full)}")
    return x1, x2, y1, y2


def _covered(span: tuple[int, int], start: int, step: int, size: int) -> tuple[int, int] | None:
    """Return the first and last array pixel that lie wholly inside a span of detector pixels."""
    first = max(-((start - span[0]) // step) + 1, 1)
    last = min((span[1] - start + 1) // step, size)
    return (first, last) if first <= last else None


def _area(section: Section) -> int:
    x1, x2, y1, y2 = section
    return (x2 - x1 + 1) * (y2 - y1 + 1)
