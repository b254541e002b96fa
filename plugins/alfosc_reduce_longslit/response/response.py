"""The response of telescope and spectrograph, measured from standard stars."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce.step import Step
from alfosc_reduce_longslit.products import Response
from alfosc_reduce_longslit.response.curve import Curve, fit_curve
from alfosc_reduce_longslit.response.extinction import ExtinctionScale, extinction_scale, with_extinction
from alfosc_reduce_longslit.response.frames import Alignment, align
from alfosc_reduce_longslit.response.points import Points, frame_name, measure_points
from alfosc_reduce_longslit.response.second_order import strongest_part, without_second_order
from alfosc_reduce_longslit.response.telluric import measure_telluric
from alfosc_reduce_longslit.slit.losses import NOTEWORTHY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from specutils import Spectrum, SpectrumList

    from alfosc_reduce.instrument import Instrument

_log = logging.getLogger(__name__)

GRID_STEP = 5.0
"""Sampling of the response curve in Angstrom."""


class MeasureResponse(Step):
    """Measure the response from all standard frames of a setup.

    The spectrum of each star is corrected for extinction at mid-exposure, summed in the bins of its table and divided
    by the table. Frames are brought to the scale of the one that caught most light by a quadratic in wavelength. A
    spline through the logarithm of all points, its stiffness chosen by leaving points out, is the response; it has no
    value outside the bins that were measured. What the molecular bands take away is measured beside it, in the same
    spectra.
    """

    mask_lines: bool = True
    """Leave the Balmer lines out, where a small difference in resolution or wavelength makes a large one in flux."""

    fit_extinction: bool = False
    """Scale the site's extinction curve by one number, where standards that lost no light span 0.3 air masses."""

    second_order: bool = False
    """Subtract second-order light, estimated from each spectrum's own blue part, here and in the flux calibration."""

    def __call__(self, spectra: list[SpectrumList], instrument: Instrument) -> Response:
        """Return the response; the brightest object of each frame is taken for the star."""
        frames, stars = self._points(spectra, instrument)
        night = self._extinction(frames, instrument)
        scale = night.scale if night is not None else 1.0
        frames = [with_extinction(points, scale, instrument) for points in frames]
        alignments = align(frames)
        for alignment in alignments:
            if alignment.remark:
                _log.warning("Response: %s.", alignment.remark)
        response = combine_frames(frames, alignments)
        self._judge_second_order(stars, instrument)
        response.points.meta["second_order"] = self.second_order
        response.points.meta["extinction_scale"] = scale
        kept = [star for star, alignment in zip(stars, alignments, strict=True) if alignment.used]
        return replace(response, telluric=measure_telluric(kept, instrument, response))

    def _points(self, spectra: list[SpectrumList], instrument: Instrument) -> tuple[list[Points], list[Spectrum]]:
        found, stars, problems = [], [], []
        for objects in spectra:
            if not len(objects):
                problems.append("a frame without any object")
                continue
            try:
                star = without_second_order(objects[0], instrument) if self.second_order else objects[0]
                points = measure_points(star, instrument, mask_lines=self.mask_lines)
                if points.used.sum() < 8:
                    raise DataError(f"{points.frame}: only {points.used.sum()} bins of the table can be used")
                found.append(points)
                stars.append(star)
            except DataError as error:
                problems.append(str(error))
                _log.warning("Response: %s is left out: %s", frame_name(objects[0]), error)
        if not found:
            raise DataError(f"response: no usable standard frame ({'; '.join(problems) or 'none given'})")
        return found, stars

    def _extinction(self, frames: Sequence[Points], instrument: Instrument) -> ExtinctionScale | None:
        found = extinction_scale(frames, instrument) if self.fit_extinction else None
        if found is not None:
            _log.info("Response: extinction of the night %.3f +- %.3f times the site's, from %d frames.", *found)
        elif self.fit_extinction:
            _log.warning("Response: the standards do not tell the extinction of the night; the site's curve is used.")
        return found

    def _judge_second_order(self, stars: Sequence[Spectrum], instrument: Instrument) -> None:
        parts = [] if self.second_order else [strongest_part(star, instrument) for star in stars]
        worst = max((part for part in parts if part is not None), default=0.0)
        if worst > NOTEWORTHY:
            _log.info(
                "Response: up to %.0f %% of the red light of the standard is second-order blue light, so objects of "
                "other colours come out wrong there by as much; params.second_order = true subtracts it.", 100 * worst,
            )  # fmt: skip

    def quality(self, result: Response, **inputs: Any) -> dict[str, float | int | str | bool | None]:
        """Return range, rms of the best frame (plain and cross-validated), number of knots and slit losses."""
        from alfosc_reduce_longslit.response.quality import response_quality

        return response_quality(result)

    def figures(self, result: Response, **inputs: Any) -> Iterable[tuple[str, Figure]]:
        """Yield the response with its points and residuals, and the molecular bands."""
        from alfosc_reduce_longslit.response.figures import response_figure, telluric_figure

        yield "response", response_figure(result)
        if result.telluric is not None:
            yield "telluric", telluric_figure(result)


def combine_frames(frames: Sequence[Points], alignments: Sequence[Alignment]) -> Response:
    """Fit one curve to the points of all frames.

    Parameters
    ----------
    frames
        Points of each frame.
    alignments
        How each compares with the best, from `align`.

    Returns
    -------
    Response
        On a grid of `GRID_STEP`; its points also say the ``predicted_residual`` (from the curve without that point)
        and the ``reason`` against those not used.
    """
    x, y, error, used = _stacked(frames, alignments)
    span = _span(frames, used)
    curve = fit_curve(x, y, error, used, span, _groups(frames))
    while (believed := _span(frames, curve.used)) != span:
        span = believed
        curve = fit_curve(x, y, error, curve.used, span, _groups(frames))
    grid = _grid(span)
    return Response(
        wavelength=grid,
        response=np.exp(curve(grid)),
        error=curve.error(grid),
        wavelengths=span,
        points=_points_table(frames, x, y, error, used, curve),
        frames=_frames_table(frames, alignments),
    )


def _stacked(
    frames: Sequence[Points], alignments: Sequence[Alignment]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    pairs = list(zip(frames, alignments, strict=True))
    x = np.concatenate([points.wavelength for points in frames])
    y = np.concatenate([np.log(p.response) - a.logarithm(p.wavelength) for p, a in pairs])
    error = np.concatenate([np.hypot(p.error, 1e-4) for p in frames])
    used = np.concatenate([p.used & a.used for p, a in pairs])
    return x, y, error, used


def _groups(frames: Sequence[Points]) -> NDArray[np.intp]:
    """Return a number for each point, the same for one bin of one star in several frames."""
    names = [f"{points.star} {low:.2f}" for points in frames for low in points.low]
    return np.asarray(np.unique(names, return_inverse=True)[1])


def _span(frames: Sequence[Points], used: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the range between the outermost used bins."""
    low, high = (np.concatenate([getattr(points, edge) for points in frames]) for edge in ("low", "high"))
    return float(low[used].min()), float(high[used].max())


def _grid(span: tuple[float, float]) -> NDArray[np.float64]:
    return np.linspace(span[0], span[1], max(2, round((span[1] - span[0]) / GRID_STEP) + 1))


def _points_table(
    frames: Sequence[Points],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    error: NDArray[np.float64],
    used: NDArray[np.bool_],
    curve: Curve,
) -> QTable:
    from astropy.table import QTable

    reason = np.concatenate([points.reason for points in frames]).astype("U10")
    reason[used & ~curve.used] = "rejected"
    table = QTable()
    table["wavelength"] = x
    table["width"] = np.concatenate([points.high - points.low for points in frames])
    table["response"] = np.exp(y)
    table["error"] = error
    table["frame"] = np.concatenate([np.full(len(points.low), points.frame) for points in frames])
    table["used"] = curve.used
    table["residual"] = curve.residual
    table["predicted_residual"] = curve.predicted_residual
    table["reason"] = reason
    table.meta["pieces"] = curve.pieces
    table.meta["scatter"] = curve.scatter
    return table


def _frames_table(frames: Sequence[Points], alignments: Sequence[Alignment]) -> QTable:
    from astropy.table import QTable

    table = QTable()
    table["frame"] = [points.frame for points in frames]
    table["star"] = [points.star for points in frames]
    table["airmass"] = [points.airmass for points in frames]
    table["scale"] = [alignment.scale for alignment in alignments]
    table["seeing"] = [points.seeing for points in frames]
    table["shape_scatter"] = [alignment.scatter for alignment in alignments]
    table["used"] = [alignment.used for alignment in alignments]
    table["remark"] = [alignment.remark for alignment in alignments]
    return table
