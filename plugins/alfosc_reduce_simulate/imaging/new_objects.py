"""New sources found, beside those that were injected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce_simulate.imaging.comparison import match, numbers
from alfosc_reduce_simulate.imaging.sphere import separation

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce_simulate.imaging.truth import ImagingTruth

LEAST = 10.0
"""Signal to noise from which an injected source must be found."""


@dataclass(frozen=True)
class NewVerdict:
    """How well new sources were found.

    Attributes
    ----------
    injected, found
        Transients on the image with a signal to noise of 10 and more, not fainter than was searched, and how many of
        them were found.
    false
        Reported sources that are none, and do not lie on the path of a moving one.
    missed
        Their numbers in the truth.
    misjudged
        Sources whose class is not that of their true place; None without error circles.
    """

    injected: int
    found: int
    false: int
    missed: tuple[int, ...]
    misjudged: int | None = None

    def sentence(self) -> str:
        """Return the verdict in words."""
        lost = f"; not found: {', '.join(map(str, self.missed))}" if self.missed else ""
        classes = "" if self.misjudged is None else f"; {self.misjudged} in a wrong class"
        return f"{self.found} of {self.injected} found, {self.false} false{lost}{classes}"


def judge_new(truth: ImagingTruth, target: str, band: str, new: QTable, sources: QTable) -> NewVerdict:
    """Compare reported new sources with the injected ones.

    Parameters
    ----------
    truth
        Of the night.
    target, band
        Which field.
    new
        Reported, with ``ra`` and ``dec``; its meta data may say how faint was searched (``LIMIT``, a magnitude); where
        there are error circles ``class`` and the circles in its meta data.
    sources
        All that was measured, from which follows what signal to noise a magnitude has on this image.
    """
    images = _images(truth, target, band)
    transients = images[images["kind"] == "transient"]
    first = transients[np.unique(transients["source"], return_index=True)[1]] if len(transients) else transients
    wanted = first[inside_field(first, truth) & (expected_strength(first, sources) >= LEAST)]
    wanted = wanted[numbers(wanted["magnitude"]) <= float(new.meta.get("LIMIT", np.inf))]
    ra, dec = numbers(new["ra"]), numbers(new["dec"])
    rows, _ = match(numbers(wanted["ra"]), numbers(wanted["dec"]), ra, dec)
    missed = sorted(set(map(int, wanted["source"])) - set(map(int, wanted["source"][rows])))
    false = int(np.sum(~_explained(ra, dec, images)))
    return NewVerdict(len(wanted), len(rows), false, tuple(missed), misjudged(new, images))


def misjudged(new: QTable, images: QTable) -> int | None:
    """Return how many injected sources were put in a class that is not that of their true place.

    Parameters
    ----------
    new
        With ``class``, and ``CIRCLES`` in its meta data: right ascension, declination, radius in arc seconds, name
        (BAT, XRT) of each.
    images
        Of the injected sources. What lies within 2 per cent or an arc second of the border of a circle is left out.
    """
    circles = new.meta.get("CIRCLES") or []
    if not circles or "class" not in new.colnames:
        return None
    rows, there = match(numbers(new["ra"]), numbers(new["dec"]), numbers(images["ra"]), numbers(images["dec"]), 1.5)
    ra, dec = numbers(images["ra"])[there], numbers(images["dec"])[there]
    inside, clear = {}, np.ones(len(rows), bool)
    for circle in circles:
        apart = separation(ra, dec, float(circle[0]), float(circle[1]))
        radius = float(circle[2])
        inside[str(circle[3])] = apart < radius
        clear &= np.abs(apart - radius) > max(1.0, 0.02 * radius)
    expected = sum(part.astype(int) for part in inside.values()) * (2 if set(inside) == {"XRT"} else 1)
    return int(np.sum((np.asarray(new["class"])[rows] != expected)[clear]))


def _images(truth: ImagingTruth, target: str, band: str) -> QTable:
    """Return the truth of what is not in catalogues, on all good images of a field."""
    from astropy.table import vstack

    frames = truth.frames
    wanted = (frames["target"] == target) & (frames["band"] == band) & (frames["kind"] == "image")
    files = frames["file"][wanted & np.isin(frames["oddity"], ["", "satellite"])]
    rows = [truth.sources_on(str(file)) for file in files]
    return vstack([part[np.isin(part["kind"], ["transient", "moving"])] for part in rows])


def inside_field(rows: QTable, truth: ImagingTruth) -> NDArray[np.bool_]:
    """Return which sources lie well inside the field stop."""
    from alfosc_reduce_simulate.imaging.optics import MIDDLE
    from alfosc_reduce_simulate.imaging.response import FIELD_STOP

    (bx, by), window = truth.binning, truth.window
    u = (numbers(rows["x"]) + 0.5) * bx + window[0] - 0.5
    v = (numbers(rows["y"]) + 0.5) * by + window[2] - 0.5
    edge = (u > window[0] + 90) & (u < window[1] - 90) & (v > window[2] + 40) & (v < window[3] - 80)
    inside: NDArray[np.bool_] = edge & (np.hypot(u - MIDDLE[0], v - MIDDLE[1]) < FIELD_STOP - 100)
    return inside


def expected_strength(rows: QTable, sources: QTable) -> NDArray[np.float64]:
    """Return the signal to noise of true magnitudes, as measured for stars of that brightness on the same image."""
    name = next(one for one in ("mag_aper", "mag_auto", "mag_psf") if one in sources.colnames)
    measured, error = numbers(sources[name]), numbers(sources[f"{name}_error"])
    strength = []
    for magnitude in numbers(rows["magnitude"]):
        near = np.abs(measured - magnitude) < 0.4
        good = near & np.isfinite(error) & (error > 0)
        strength.append(np.median(1.0857 / error[good]) if good.any() else 0.0)
    return np.array(strength)


def _explained(ra: NDArray[np.float64], dec: NDArray[np.float64], images: QTable) -> Any:
    """Return which reported sources lie where something was injected, at the time of any image."""
    if not len(images) or not len(ra):
        return np.zeros(len(ra), bool)
    apart = separation(ra[:, None], dec[:, None], numbers(images["ra"])[None, :], numbers(images["dec"])[None, :])
    return apart.min(axis=1) < 1.5
