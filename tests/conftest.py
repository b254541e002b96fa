"""Fixtures for all tests."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from alfosc_reduce_simulate import Truth

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real observations, or a skip that says where it was looked for."""
    places = [os.environ.get("ALFOSC_REDUCE_TESTDATA"), ROOT.parent / "shared" / "data"]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("no real data: set ALFOSC_REDUCE_TESTDATA to the folder of observations")


@dataclass(frozen=True)
class SimulatedNight:
    """Raw frames in ``raw``, and what is true of them."""

    raw: Path
    truth: Truth

    def files(self, kind: str) -> list[Path]:
        """Return the raw files of a kind, in the order of observation."""
        frames = self.truth.frames
        return [
            self.raw / str(name) for name, found in zip(frames["file"], frames["kind"], strict=True) if found == kind
        ]


@pytest.fixture(scope="session")
def small_night(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """A night like the real one (grism 4, 400 columns, binned 1x2): 5 biases, 3 flats, 2 arcs, a standard, 2 exposures.

    Made once for all workers; nobody writes into it.
    """
    from alfosc_reduce_simulate import simulate_night

    from alfosc_reduce import load, save

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small_night"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "truth.fits").exists():
            save(simulate_night(_small_night(), folder / "raw"), folder / "truth.fits")
    return SimulatedNight(folder / "raw", load(folder / "truth.fits"))


def _small_night():
    from alfosc_reduce_simulate import Night, Source, Target, power_law, standard_target

    from alfosc_reduce import get_instrument

    source = Source(power_law(2e-16), position=-10.0)
    target = Target("TEST1002+2801", 150.70, 28.02, (source,), exposure=900.0, count=2, nod=20.0)
    return Night((standard_target(get_instrument("alfosc"), count=1), target), start="2020-03-20T22:00:00", seed=7)
