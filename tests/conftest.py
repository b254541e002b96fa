"""Fixtures for all tests."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


Shared = Callable[[str], AbstractContextManager[Path]]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Give a folder by name that all workers share, to one of them at a time."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    @contextmanager
    def share(name: str) -> Iterator[Path]:
        folder = place / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder

    return share


@pytest.fixture(scope="session")
def small_night(shared_folder: Shared) -> SimulatedNight:
    """A night like the real one (grism 4, 400 columns, binned 1x2): 5 biases, 3 flats, 2 arcs, a standard, 2 exposures.

    Made once for all workers; nobody writes into it.
    """
    return made_once(shared_folder, "small_night", _small_night)


@pytest.fixture(scope="session")
def tiny_night(shared_folder: Shared) -> SimulatedNight:
    """A night of 160 columns, grism 4, binned 1x2: 4 biases, 3 flats, 2 arcs, 2 exposures of a standard, 2 of a quasar.

    Made once for all workers; nobody writes into it.
    """
    return made_once(shared_folder, "tiny_night", _tiny_night)


def made_once(shared_folder: Shared, name: str, night: Callable[[], Any]) -> SimulatedNight:
    """Simulate a night, or take the one that another worker simulated."""
    from alfosc_reduce_simulate import simulate_night

    from alfosc_reduce import load, save

    with shared_folder(name) as folder:
        if not (folder / "truth.fits").exists():
            save(simulate_night(night(), folder / "raw"), folder / "truth.fits")
    return SimulatedNight(folder / "raw", load(folder / "truth.fits"))


def _small_night() -> Any:
    from alfosc_reduce_simulate import Night, Source, Target, power_law, standard_target

    from alfosc_reduce import get_instrument

    source = Source(power_law(2e-16), position=-10.0)
    target = Target("TEST1002+2801", 150.70, 28.02, (source,), exposure=900.0, count=2, nod=20.0)
    return Night((standard_target(get_instrument("alfosc"), count=1), target), start="2020-03-20T22:00:00", seed=7)


def _tiny_night() -> Any:
    from alfosc_reduce_simulate import Night, Readout, Source, Target, quasar, standard_target

    from alfosc_reduce import get_instrument

    source = Source(quasar(1.5e-16, 2.3), position=-5.0)
    target = Target("TEST1002+2801", 150.70, 28.02, (source,), exposure=600.0, count=2, nod=8.0)
    star = standard_target(get_instrument("alfosc"), exposure=10.0, count=2)
    window = Readout((931, 1090, 1, 2102), (1, 2))
    return Night((star, target), readout=window, n_bias=4, n_flat=3, start="2020-03-20T22:00:00", seed=7)
