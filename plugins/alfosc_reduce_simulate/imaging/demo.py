"""The demo night of images: simulated, and judged after the reduction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alfosc_reduce.errors import DataError
from alfosc_reduce_simulate.imaging.observations import Field, ImageSeries, ImagingNight, Injected
from alfosc_reduce_simulate.imaging.sphere import moved

if TYPE_CHECKING:
    from pathlib import Path

TRUTH, CATALOGUE, EXACT = "truth.fits", "catalogue.ecsv", "catalogue_exact.ecsv"
"""Files with the truth, the catalogue of the field, and the same without noise."""
NEW = (
    Injected(40.0, 25.0, 20.6),
    Injected(-75.0, 60.0, 21.3, 0.9),
    Injected(110.0, -95.0, 19.4, 0.1),
    Injected(-30.0, -120.0, 21.8),
    Injected(5.0, -12.0, 20.0, 0.2),
)
"""Transients of the demo; the last lies in the small error circle of `XRT`, the first and the last in that of `BAT`."""
BAT = (0.0, 0.0, 1.0)
"""Arc seconds to the east and north of the field's middle, and radius in arc minutes."""
XRT = (4.0, -11.0, 4.0)
"""The same with a radius in arc seconds."""


class ImagingDemo:
    """Four dithered images of a field in r, biases and twilight flats."""

    def make(self, folder: Path) -> None:
        """Simulate the night.

        Parameters
        ----------
        folder
            Of the demo: raw frames go to ``raw`` in it, the truth to ``truth.fits``, catalogues of the field beside it.
        """
        write_imaging_night(demo_imaging_night(), folder)

    def adapt(self, folder: Path) -> list[str]:
        """Write into the recipe which catalogue to take and where BAT and XRT saw something.

        Parameters
        ----------
        folder
            With the ``recipe.toml`` that ``init`` wrote.

        Returns
        -------
        list of str
            What was written, for the terminal.
        """
        recipe = folder / "recipe.toml"
        text, said = recipe.read_text(encoding="utf-8"), ["In recipe.toml is written:"]
        for step, parameter, value in settings_of_demo():
            text = with_parameter(text, step, parameter, value)
            said.append(f"  [steps.{step}] params.{parameter} = {value}")
        recipe.write_text(text, encoding="utf-8")
        return said

    def judge(self, folder: Path) -> list[str]:
        """Compare positions, magnitudes, seeing and new sources with the truth.

        Parameters
        ----------
        folder
            Of the demo, with ``truth.fits`` and ``reduced``.

        Returns
        -------
        list of str
            Lines with numbers.

        Raises
        ------
        DataError
            If the truth or a product is missing.
        """
        from alfosc_reduce.products import load
        from alfosc_reduce_simulate.imaging.judgement import judge_night

        verdicts = judge_night(load(folder / TRUTH), folder / "reduced")
        return [line for verdict in verdicts for line in verdict.sentences()]


def settings_of_demo() -> list[tuple[str, str, str]]:
    """Return step, parameter and value (as in a recipe) of all that the recipe of the demo needs beyond the default."""
    catalogue = f'["file:{CATALOGUE}"]'
    field = demo_imaging_night().series[0].field
    circles = []
    for east, north, radius in (BAT, XRT):
        ra, dec = moved(field.ra, field.dec, east, north)
        circles.append(f'"{float(ra):.6f} {float(dec):.6f} {radius:g}"')
    return [
        ("catalog", "catalogs", catalogue),
        ("photometric_catalog", "catalogs", catalogue),
        ("new", "bat", circles[0]),
        ("new", "xrt", circles[1]),
    ]


def with_parameter(text: str, step: str, parameter: str, value: str) -> str:
    """Return the text of a recipe with a parameter set, in place of its commented line or at the head of its table.

    Raises
    ------
    DataError
        If the recipe has no table of that step.
    """
    head, found, rest = text.partition(f"[steps.{step}]\n")
    if not found:
        raise DataError(f"the recipe has no table [steps.{step}]; add it, with params.{parameter} = {value}")
    table, bracket, others = rest.partition("\n[")
    line = f"params.{parameter} = {value}"
    told = re.compile(rf"^# params\.{parameter} .*$", re.MULTILINE)
    table = told.sub(lambda _: line, table, count=1) if told.search(table) else f"{line}\n{table}"
    return head + found + table + bracket + others


def demo_imaging_night(declination: float = 28.0, ra: float = 160.0, seed: int = 20250320) -> ImagingNight:
    """Return the night: four images of 120 s in r, five twilight flats, eleven biases, all of the whole detector.

    Parameters
    ----------
    declination, ra
        Of the field, degrees. The date is chosen such that it stands high at midnight.
    seed
        Of all chance.
    """
    changing = (
        Injected(-100.0, -40.0, 17.5, 0.6, "variable", amplitude=0.3, period=3.0),
        Injected(60.0, 100.0, 18.8, 0.5, "moving", rate=(28.0, -11.0)),
    )
    field = Field(ra, declination, injected=(*NEW, *changing), seed=seed)
    start = "2025-03-20T23:00:00" if 90 < ra < 270 else "2025-09-22T23:30:00"
    return ImagingNight((ImageSeries("SIM demo field", field),), start=start, seed=seed)


def write_imaging_night(night: ImagingNight, folder: Path) -> None:
    """Write the raw frames of a night to ``raw`` in a folder, with its truth and catalogues beside them."""
    from alfosc_reduce.products import save
    from alfosc_reduce_simulate.imaging.catalogue import catalogue_of
    from alfosc_reduce_simulate.imaging.night import simulate_imaging_night

    truth = simulate_imaging_night(night, folder / "raw")
    save(truth, folder / TRUTH)
    for name, noise in ((CATALOGUE, True), (EXACT, False)):
        table = catalogue_of(truth.sources, noise=noise, seed=night.seed)
        table.write(folder / name, format="ascii.ecsv", overwrite=True)
