"""The demo night of images: simulated, and judged after the reduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alfosc_reduce_simulate.imaging.observations import Field, ImageSeries, ImagingNight, Injected

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
