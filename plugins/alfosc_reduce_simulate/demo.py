"""The demo night of long-slit spectra: simulated, and judged after the reduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alfosc_reduce.errors import DataError
from alfosc_reduce_simulate.observations import Night, Source, Target
from alfosc_reduce_simulate.sources import SourceSpectrum, quasar

if TYPE_CHECKING:
    from pathlib import Path

    from alfosc_reduce.instrument import Instrument

TRUTH = "truth.fits"
"""Name of the file with the truth."""


class SpectroscopyDemo:
    """A quasar and a standard star with grism 4: the size of a real night, reduced in seconds."""

    def make(self, folder: Path) -> None:
        """Simulate the night.

        Parameters
        ----------
        folder
            Of the demo: raw frames go to ``raw`` in it, the truth to ``truth.fits``.
        """
        from alfosc_reduce.products import save
        from alfosc_reduce.registry import get_instrument
        from alfosc_reduce_simulate.night import simulate_night

        instrument = get_instrument("alfosc")
        truth = simulate_night(demo_night(instrument), folder / "raw", instrument)
        save(truth, folder / TRUTH)

    def judge(self, folder: Path) -> list[str]:
        """Compare the reduced spectra with the truth.

        Parameters
        ----------
        folder
            Of the demo, with ``truth.fits`` and ``reduced``.

        Returns
        -------
        list of str
            Sentences with numbers.

        Raises
        ------
        DataError
            If the truth or a product is missing.
        """
        from alfosc_reduce.products import load
        from alfosc_reduce_simulate.combined import judge_combined
        from alfosc_reduce_simulate.judgement import judge_exposure, judge_frames

        truth = load(folder / TRUTH)
        found = judge_frames(truth, folder / "reduced")
        if not found:
            raise DataError(f"{folder}: the truth knows no exposure of a target; make the demo again")
        single = [judge_exposure(truth, file, path) for file, path in found]
        targets: dict[Path, list[str]] = {}
        for file, path in found:
            targets.setdefault(path.parent.parent, []).append(file)
        return single + [judge_combined(truth, files, place) for place, files in targets.items() if len(files) > 1]


def demo_night(instrument: Instrument) -> Night:
    """Return the night: two exposures of a quasar, two of the standard Feige 34, four arcs, flats and biases."""
    target = Target(
        name="SIM1002+2801",
        ra=150.70,
        dec=28.02,
        sources=(Source(quasar(1.5e-16, 2.3), position=-12.0),),
        exposure=900.0,
        count=2,
        nod=20.0,
    )
    return Night((standard_target(instrument), target), n_bias=8, n_flat=5, start="2020-03-20T22:00:00", seed=20200320)


def standard_target(instrument: Instrument, exposure: float = 60.0, count: int = 2) -> Target:
    """Return exposures of Feige 34 with the flux of the instrument's table."""
    return Target(
        name="SP1036+433",
        ra=159.90306,
        dec=43.10255,
        sources=(Source(standard_spectrum(instrument, "Feige34")),),
        exposure=exposure,
        count=count,
        standard=True,
    )


def standard_spectrum(instrument: Instrument, name: str) -> SourceSpectrum:
    """Return the spectrum of a standard star from the instrument's table; raises `DataError` for an unknown one."""
    import numpy as np
    from astropy.io.fits import Header

    star = instrument.standard(Header({"OBJECT": name, "TCSTGT": name, "DATE-AVG": "2020-03-20T22:00:00"}))
    wavelength = np.array(star.table["wavelength"].value, dtype=np.float64)
    flux = np.array(star.table["flux"].value, dtype=np.float64)
    inside = (wavelength > 2500) & (wavelength < 12000)
    return SourceSpectrum(wavelength[inside], flux[inside])
