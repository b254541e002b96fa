"""Combine the exposures of a field into one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from alfosc_reduce.errors import DataError
from alfosc_reduce.images import make_image
from alfosc_reduce.parameters import InputFile
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.combination.edits import check_names, read_filelist, with_edits
from alfosc_reduce_imaging.combination.exposures import Exposure, exposures_of, is_rate
from alfosc_reduce_imaging.combination.grid import Area, Grid, common_grid
from alfosc_reduce_imaging.combination.header import combined_header, depth_gain
from alfosc_reduce_imaging.combination.noise import Method, shared_noise
from alfosc_reduce_imaging.combination.resampling import Resampling
from alfosc_reduce_imaging.combination.stacking import stacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure


class Plan(NamedTuple):
    """What a combination is made of: the frames, the grid, and the frame whose pixels it has."""

    exposures: list[Exposure]
    grid: Grid
    reference: Exposure


class CombineImages(Step):
    """Combine the exposures of a field into one image, in counts a second.

    Every frame is brought to the pixels of the reference frame, to counts a second and to the reference's transparency,
    its sky taken off. Frames count by the inverse variance of their sky, so that bright stars are not weighed by
    themselves. The variance is that of single pixels; interpolation makes neighbours share noise, and the header's
    ``NOISECOR`` says by how much errors of sums over many pixels are larger (``NOISELEN``: how soon).
    """

    method: Method = "clipped"
    """``mean`` (weighted), ``median``, or ``clipped``: the weighted mean without values that stand out from the median
    (cosmic rays, satellite trails; cores of stars never)."""

    clip: float = Field(default=5.0, gt=1)
    """Sigma beyond which ``clipped`` rejects a value."""

    area: Area = "union"
    """``union``: everything that any frame shows; ``intersection``: only what all of them show."""

    resampling: Resampling = "interpolate"
    """``interpolate``: cubic spline, fast and sharp; ``conserve``: pixel areas shared out by ``reproject``, slower and
    somewhat smoother, and free of ripples at sharp edges."""

    sky: Literal["plane", "level"] = "plane"
    """What is subtracted from each frame: a ``plane`` below its objects, or one ``level``."""

    edited_filelist: InputFile | None = None
    """A list of frames (ECSV, as published) in which you changed ``use`` or ``weight``: it overrides what registration
    found."""

    def __call__(self, images: list[CCDData], filelist: QTable | None = None) -> CCDData:
        """Return the combined image.

        Parameters
        ----------
        images
            Reduced frames of one field and filter.
        filelist
            From `register_images`. Without it, stars are found and frames registered here.

        Raises
        ------
        DataError
            If there is no frame to use, the frames cannot be brought to one unit, or the edited list does not fit.
        """
        plan = self.plan(images, filelist)
        found = stacked(plan.exposures, plan.grid, method=self.method, clip=self.clip, resampling=self.resampling)
        header = combined_header(plan.exposures, plan.reference, plan.grid, found)
        noise, length = shared_noise(plan.exposures, plan.grid, self.method, self.resampling)
        header["NOISECOR"] = (round(noise, 4), "error of sums over many pixels / naive error")
        header["NOISELEN"] = (round(length, 4), "how soon: see correlated_error")
        header["DEPTHGN"] = (round(depth_gain(plan.exposures, found, noise), 4), "[mag] deeper than the best frame")
        header["COMBMETH"] = (self.method, "how frames were combined")
        return make_image(
            found.data, unit=rate_unit(plan.exposures[0].unit), header=header, variance=found.variance,
            flags=found.flags,
        )  # fmt: skip

    def plan(self, images: Sequence[CCDData], filelist: QTable | None) -> Plan:
        """Return which frames are combined, and on which pixels."""
        if len(images) == 0:
            raise DataError("combination: there is no frame to combine; look at what the earlier steps say")
        listed = self._filelist(images, filelist)
        exposures = exposures_of(images, listed, sky=self.sky)
        named = {one.name: one for one in exposures}
        if self.edited_filelist is not None:
            check_names(listed, list(named), self.edited_filelist)
        reference = named.get(str(listed.meta.get("REFERENCE", "")), exposures[0])
        return Plan(exposures, common_grid(exposures, self.area), reference)

    def _filelist(self, images: Sequence[CCDData], filelist: QTable | None) -> QTable:
        if self.edited_filelist is None:
            return registered(images) if filelist is None else filelist
        return with_edits(filelist, read_filelist(self.edited_filelist), self.edited_filelist)

    def figures(self, result: CCDData, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the combined image, and how many frames there are in each part of it."""
        from alfosc_reduce_imaging.combination.figures import figure_of_combination, outlines_of

        listed = inputs.get("filelist")
        if listed is None and self.edited_filelist is not None:
            listed = read_filelist(self.edited_filelist)
        outlines = [] if listed is None else outlines_of(listed, result)
        yield "combination", figure_of_combination(result, outlines, self.area)

    def quality(self, result: CCDData, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return number of frames, exposure, noise against what is expected, and what was gained and rejected."""
        from alfosc_reduce_imaging.combination.quality import numbers_of

        return numbers_of(result, given=len(inputs["images"]))


def rate_unit(unit: str) -> str:
    """Return the unit of counts a second."""
    import astropy.units as u

    parsed = u.Unit(unit)
    return str(parsed if is_rate(parsed) else parsed / u.s)


def registered(images: Sequence[CCDData]) -> QTable:
    """Find the stars of images and register them; one image alone needs no stars."""
    from astropy.table import QTable

    from alfosc_reduce_imaging.registration.registration import RegisterImages
    from alfosc_reduce_imaging.stars.description import description
    from alfosc_reduce_imaging.stars.finding import FindStars

    if len(images) > 1:
        return RegisterImages()([FindStars()(images[i]) for i in range(len(images))])
    none: dict[str, list[float]] = {"x": [], "y": [], "flux": []}
    return RegisterImages()([QTable(none, meta=description(images[0]))])
