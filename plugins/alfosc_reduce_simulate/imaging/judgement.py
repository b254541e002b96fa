"""How close the products of an imaging night come to its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.errors import DataError
from alfosc_reduce_simulate.imaging.comparison import (
    MagnitudeVerdict,
    SkyVerdict,
    isolated,
    judge_magnitudes,
    judge_places,
    match,
    numbers,
)
from alfosc_reduce_simulate.imaging.new_objects import NewVerdict, inside_field, judge_new

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.table import QTable

    from alfosc_reduce_simulate.imaging.truth import ImagingTruth

MAGNITUDES = ("mag_aper", "mag_auto", "mag_psf")
"""Columns that are judged, the first of them for the zero point."""


@dataclass(frozen=True)
class FieldVerdict:
    """The errors of what was measured on the image of a field.

    Attributes
    ----------
    target, band
        Which.
    sources, matched
        How many were measured, and how many of them are true ones.
    sky
        Of the positions.
    magnitudes
        Of each kind.
    seeing
        Largest relative error of the seeing of a frame; NaN without a list of frames.
    new
        Of the search for new sources; None without one.
    """

    target: str
    band: str
    sources: int
    matched: int
    sky: SkyVerdict
    magnitudes: tuple[MagnitudeVerdict, ...]
    seeing: float
    new: NewVerdict | None

    def sentences(self) -> list[str]:
        """Return the verdict in words, a line for each thing judged."""
        sky = self.sky
        lines = [f"{self.target}, {self.band}: {self.matched} of {self.sources} sources are true ones"]
        lines.append(
            f"  positions      rms {sky.rms:.4f} arcsec over the field, worst {sky.worst:.4f}; "
            f"{sky.number} bright stars scatter by {sky.scatter:.4f}"
        )
        lines += [_magnitude_sentence(one) for one in self.magnitudes]
        if np.isfinite(self.seeing):
            lines.append(f"  seeing         right to {100 * self.seeing:.1f} % in the worst frame")
        return lines + ([f"  new sources    {self.new.sentence()}"] if self.new else [])


def _magnitude_sentence(one: MagnitudeVerdict) -> str:
    return (
        f"  {one.name:<14} zero point off by {one.zero_point:+.4f} +- {one.error:.4f} ({one.number} stars); "
        f"at S/N 50 bias {one.bias:+.4f} +- {one.bias_error:.4f} ({one.faint} stars); "
        f"(measured - true)/error scatters by {one.pull:.2f} +- {one.pull_error:.2f} ({one.weak} stars)"
    )


def judge_night(truth: ImagingTruth, reduced: Path) -> list[FieldVerdict]:
    """Judge every field of a night that was reduced.

    Parameters
    ----------
    truth
        Of the night.
    reduced
        The folder with the published products.

    Raises
    ------
    DataError
        If there is no such folder, or the sources of a field are missing.
    """
    if not reduced.is_dir():
        raise DataError(f"{reduced}: no such folder; reduce the night first")
    tables = _tables(reduced)
    verdicts = []
    for target, band in fields_of(truth):
        if (target, band) not in tables:
            raise DataError(f"{reduced}: no table of the sources of {target} in {band}; see reduced/log.txt for why")
        verdicts.append(judge_field(truth, tables[target, band], target, band))
    return verdicts


def fields_of(truth: ImagingTruth) -> list[tuple[str, str]]:
    """Return target and band of every series of images."""
    frames = truth.frames[np.asarray(truth.frames["kind"]) == "image"]
    return list(dict.fromkeys((str(row["target"]), str(row["band"])) for row in frames))


def judge_field(truth: ImagingTruth, path: Path, target: str, band: str) -> FieldVerdict:
    """Judge one field by its published table of sources, and the other files beside it."""
    sources = read(path)
    place, stem = path.parent, path.name.removesuffix("_sources.fits")
    new = place / f"{stem}_new.ecsv"
    lists = [read(found) for found in sorted(place.glob("*/filelist.ecsv"))]
    return judge_tables(
        truth, target, band, sources, new=read(new) if new.exists() else None, seeing=_seeing(truth, band, lists)
    )


def judge_tables(
    truth: ImagingTruth,
    target: str,
    band: str,
    sources: QTable,
    new: QTable | None = None,
    seeing: float = float("nan"),
) -> FieldVerdict:
    """Judge a table of sources (with ``ra``, ``dec`` and magnitudes) and one of new sources."""
    true = true_sources(truth, target, band)
    found, there = match(numbers(sources["ra"]), numbers(sources["dec"]), numbers(true["ra"]), numbers(true["dec"]))
    measured, known = sources[found], true[there]
    alone = isolated(true)[there] & clean(measured) & np.isin(known["source"], seen_by_all(truth, target, band))
    stars, of_stars = measured[alone], known[alone]
    return FieldVerdict(
        target=target,
        band=band,
        sources=len(sources),
        matched=len(found),
        sky=_judge_sky(stars, of_stars),
        magnitudes=tuple(_judge_column(name, stars, of_stars) for name in MAGNITUDES if name in sources.colnames),
        seeing=seeing,
        new=None if new is None else judge_new(truth, target, band, new, sources),
    )


def true_sources(truth: ImagingTruth, target: str, band: str) -> QTable:
    """Return the true sources of a field at the time of its first good image."""
    frames = truth.frames
    wanted = (frames["target"] == target) & (frames["band"] == band) & (frames["kind"] == "image")
    good = wanted & np.isin(frames["oddity"], ["", "satellite"])
    return truth.sources_on(str(frames["file"][good if good.any() else wanted][0]))


def seen_by_all(truth: ImagingTruth, target: str, band: str) -> Any:
    """Return the sources that lie well inside the field on every good image: there all frames add up to one star."""
    frames = truth.frames
    wanted = (frames["target"] == target) & (frames["band"] == band) & (frames["kind"] == "image")
    seen: Any = None
    for file in frames["file"][wanted & np.isin(frames["oddity"], ["", "satellite"])]:
        rows = truth.sources_on(str(file))
        here = np.asarray(rows["source"])[inside_field(rows, truth)]
        seen = here if seen is None else np.intersect1d(seen, here)
    return np.zeros(0, int) if seen is None else seen


def clean(measured: QTable) -> Any:
    """Return which measured sources have no flag that speaks against their photometry."""
    good = np.ones(len(measured), bool)
    for name in ("flags", "source_flags"):
        if name in measured.colnames:
            good &= np.asarray(measured[name]) == 0
    return good


def _judge_sky(stars: QTable, true: QTable) -> SkyVerdict:
    bright = _strength(stars) > 100
    x, y, ra, dec = (numbers(stars[name][bright]) for name in ("x", "y", "ra", "dec"))
    return judge_places(x, y, ra, dec, numbers(true["ra"][bright]), numbers(true["dec"][bright]))


def _strength(stars: QTable) -> Any:
    """Return the signal to noise of sources by the first flux with an error."""
    for name in ("flux_aper", "flux_auto", "flux_psf"):
        if f"{name}_error" in stars.colnames:
            return numbers(stars[name]) / numbers(stars[f"{name}_error"])
    raise DataError("the table of sources has no flux with an error")


def _judge_column(name: str, stars: QTable, true: QTable) -> MagnitudeVerdict:
    return judge_magnitudes(name, numbers(stars[name]), numbers(stars[f"{name}_error"]), numbers(true["magnitude"]))


def _seeing(truth: ImagingTruth, band: str, lists: list[QTable]) -> float:
    """Return the largest relative error of the seeing among the frames in use of a band."""
    known = {str(row["file"]).partition(".")[0]: row for row in truth.frames if row["band"] == band}
    errors = [
        float(numbers(row["seeing"])) / known[stem]["seeing_field"].value - 1
        for table in lists
        for row in table
        if (stem := str(row["file"]).partition(".")[0]) in known and row["use"]
    ]
    return max(errors, key=abs, default=float("nan"))


def _tables(reduced: Path) -> dict[tuple[str, str], Path]:
    """Return the published tables of sources by target and band."""
    found = {}
    for path in sorted(reduced.glob("*/*_sources.fits")):
        meta = read(path).meta
        found[str(meta.get("OBJECT", "")), str(meta.get("BAND", ""))] = path
    return found


def read(path: Path) -> QTable:
    """Return a published table, FITS or text."""
    from astropy.table import QTable

    if path.suffix == ".fits":
        from alfosc_reduce.products import load

        table: QTable = load(path)
        return table
    return QTable.read(path, format="ascii.ecsv")
