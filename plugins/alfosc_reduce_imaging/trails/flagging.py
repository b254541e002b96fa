"""Trails of satellites flagged on single exposures."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import as_it_is, flags_of, make_image, stored_variance, usable
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.trails.search import find_trails, under

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from matplotlib.figure import Figure

    from alfosc_reduce_imaging.trails.examination import Trail

_log = logging.getLogger(__name__)


class FlagTrails(Step):
    """Flag the trails of satellites and meteors; the data stay as they are.

    A trail is a straight line from an edge of the image, at least a quarter of it long, that is brighter than both of
    its sides all along, down to a fifth of the noise of a pixel. It is flagged as a cosmic ray is, as far to either
    side as its light rises above a tenth of the noise. Spikes and bleeding columns of bright stars, edges, galaxies and
    fringes are none. A trail that climbs by less than ten pixels cannot be told from a column or row of the detector;
    one that begins and ends inside the image not from other things: both are left.
    """

    def __call__(self, image: CCDData) -> CCDData:
        """Return the image with ``COSMIC_RAY`` flags under trails, and how many there are in its header as ``NTRAILS``.

        An image without any is returned as it is.

        Parameters
        ----------
        image
            A single exposure, in any unit, still with its sky or without.

        Raises
        ------
        DataError
            If it is not an image of two dimensions.
        """
        if image.data.ndim != 2:
            raise DataError(f"{_name(image)}: trails: {image.data.ndim} dimensions found; give a single image")
        from astropy.io.fits import Header

        trails = find_trails(np.asarray(image.data), usable(image))
        if not trails:
            return as_it_is(image)
        flags, header = flags_of(image), Header(image.meta)
        header["NTRAILS"] = (len(trails), "trails of satellites flagged")
        for number, trail in enumerate(trails, 1):
            flags[under(trail, image.shape)] |= Flag.COSMIC_RAY
            ends = ends_of(trail, image.shape)
            header[f"TRAIL{number}"] = (" ".join(f"{one:.1f}" for one in (*ends, trail.fwhm)), "[pix] x y x y width")
            _tell(trail, ends, _name(image))
        variance = stored_variance(image)
        return make_image(image.data, unit=image.unit.to_string(), header=header, variance=variance, flags=flags)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return the number of trails, and the share of the image that they cover."""
        newly = flags_of(result) != flags_of(inputs["image"])
        return {"n_trails": int(result.meta.get("NTRAILS", 0)), "trail_fraction": float(newly.mean())}

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Show an image that has trails, with what was flagged, and a piece of the first one."""
        from alfosc_reduce_imaging.trails.figures import trail_figure

        if result.meta.get("NTRAILS"):
            yield "trails", trail_figure(result, flags_of(result) != flags_of(inputs["image"]))


def ends_of(trail: Trail, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return x and y of the two ends of a trail in an image of `shape`."""
    steps = np.arange(trail.first, trail.last + 0.5)
    places = trail.path.places(steps)
    limit = shape[0 if trail.path.along_x else 1] - 1
    inside = np.flatnonzero((places >= 0) & (places <= limit))[[0, -1]]
    x, y = (steps[inside], places[inside]) if trail.path.along_x else (places[inside], steps[inside])
    return float(x[0]), float(y[0]), float(x[1]), float(y[1])


def _tell(trail: Trail, ends: tuple[float, ...], name: str) -> None:
    _log.info(
        "%s: the trail of a satellite from (%.0f, %.0f) to (%.0f, %.0f), %.0f pixels wide, %.2g of the noise of a "
        "pixel on its axis, is flagged.", name, *ends, trail.fwhm, trail.peak / max(trail.noise, 1e-30),
    )  # fmt: skip


def _name(image: CCDData) -> str:
    return str(image.meta.get("FILENAME", "image")).partition(".")[0] or "image"
