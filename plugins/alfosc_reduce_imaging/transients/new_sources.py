"""Sources on an image that no catalogue has."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_imaging.transients.error_circles import RADIUS_IN_SIGMA, ArcminCircle, ArcsecCircle
from alfosc_reduce_imaging.transients.new_source_brightness import Brightness, brightness_of
from alfosc_reduce_imaging.transients.new_source_scene import scene_of
from alfosc_reduce_imaging.transients.new_source_table import new_table, rejected_table
from alfosc_reduce_imaging.transients.search import search

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.nddata import CCDData
    from astropy.table import QTable
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)


class NewSources(NamedTuple):
    """The new sources, and what looked like one but is not believed."""

    sources: QTable
    rejected: QTable


class FindNew(Step):
    """Find the sources that the catalogues do not have, and say which of them BAT and XRT may have seen.

    A source is new if no object of a catalogue, moved to the date of the image by its proper motion, lies within five
    sigma of both positions (and half the seeing), and if nothing speaks against it: edge, saturation, masked pixels,
    a width or shape that stars do not have, the light of a bright star, a blend. Sources fainter than the catalogues
    go (told by which sources of the image they have) are not called new, unless `limit` is set. On the difference from
    `subtract_reference` a galaxy of the catalogue is a host, and what stands at a star is a variable star.

    Classes: 2 consistent with XRT's error circle (and BAT's, if given), 1 with BAT's only (or with only one of the
    two), 0 with none.
    """

    bat: ArcminCircle | None = None
    """Error circle of BAT: right ascension, declination (degrees or with colons), radius (90 %) in arc minutes."""

    xrt: ArcsecCircle | None = None
    """Error circle of XRT: right ascension, declination, radius (90 %) in arc seconds."""

    significance: float = Field(default=RADIUS_IN_SIGMA, gt=0, le=4.9)
    """Sigma from the centre within which a source is consistent with a circle; 1.66 is the circle itself."""

    limit: float | None = None
    """Faintest magnitude that is reported; by default as faint as the catalogues are complete."""

    zp: float | None = None
    """Zero point set by hand (magnitude of one count or electron a second) instead of the image's own."""

    def __call__(
        self,
        image: CCDData,
        sources: QTable,
        reference: QTable,
        photometric: QTable | None = None,
        known: QTable | None = None,
    ) -> NewSources:
        """Return the new sources, numbered, the best class and the brightest first; and the rejected, with reasons.

        Parameters
        ----------
        image
            With a solved WCS.
        sources
            From `measure_sources`, with positions, and magnitudes if there is a zero point.
        reference, photometric
            Catalogues of the field; what either has is not new.
        known
            Variable stars or asteroids: columns ``ra``, ``dec``, ``name``, optionally ``radius`` (arc seconds).

        Raises
        ------
        DataError
            If there is no catalogue, or it does not fit the image.
        """
        scene = scene_of(image, sources)
        if not len(reference):
            raise DataError(f"{scene.name}: no new sources: the catalogue is empty; fetch one of this field")
        catalogues = [reference] if photometric is None else [reference, photometric]
        brightness = brightness_of(image, sources, reference, self.zp, scene.name)
        least = brightness.flux_at(self.limit)
        if self.limit is not None and least is None:
            _log.warning(
                "%s: limit %.2f is not used: the image has no zero point; run measure_zero_point or set zp.",
                scene.name, self.limit,
            )  # fmt: skip
        found = search(
            sources, catalogues, known, scene,
            least_flux=least, nominal_flux=brightness.nominal_flux, star_flux=brightness.star_flux,
        )  # fmt: skip
        table = new_table(sources, found, reference, scene, brightness, (self.bat, self.xrt), self.significance)
        self._tell(table, brightness, found.limit, scene.name)
        return NewSources(table, rejected_table(sources, found, brightness))

    def _tell(self, table: QTable, brightness: Brightness, limit: float, name: str) -> None:
        table.meta["CIRCLES"] = [
            [circle.ra, circle.dec, circle.radius, label]
            for circle, label in ((self.bat, "BAT"), (self.xrt, "XRT"))
            if circle is not None
        ]
        magnitude = brightness.magnitude_at(limit)
        if magnitude is not None:
            table.meta["LIMIT"] = magnitude
        if brightness.zero_point is None:
            _log.warning("%s: new sources without magnitudes: the image has no zero point; set zp.", name)

    def quality(self, result: NewSources, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return how many sources are new, in which class, how many were rejected, and the limit of the search."""
        import numpy as np

        classes = np.asarray(result.sources["class"])
        return {
            "new_sources": len(result.sources),
            "new_class_1": int((classes == 1).sum()),
            "new_class_2": int((classes == 2).sum()),
            "new_rejected": len(result.rejected),
            "sources_searched": len(inputs["sources"]),
            "new_limit": result.sources.meta.get("LIMIT"),
        }

    def figures(self, result: NewSources, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the field with the new sources and the error circles, and a cut-out of each."""
        from alfosc_reduce_imaging.transients.new_source_figures import figure_of_cutouts, figure_of_new

        yield "new_sources", figure_of_new(inputs["image"], *result, inputs["sources"], (self.bat, self.xrt))
        if len(result.sources):
            yield "new_sources_close", figure_of_cutouts(inputs["image"], result.sources)
