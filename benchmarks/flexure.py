"""Move the arcs of simulated nights by known amounts, and see what the night-sky lines make of it.

    python benchmarks/flexure.py [NAME ...] [-n NUMBER] [-o WORK FOLDER]

For each setting and exposure time it prints, with the arc where the sky is and with the arc moved: how many exposures
were corrected, the mean error left in pixels, its scatter, the error that was claimed, and the scatter of one over the
other.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from simulated_nights import CASES, Case, Products, make_and_reduce, night_of

SECONDS = (30.0, 60.0, 120.0, 600.0)
MOVED = (0.0, 0.15)
"""By how many pixels the sky lies to the red of the arc."""
NAMES = ("g4-Slit_1.0-1x2", "g5-Slit_1.0-1x1", "g7-Slit_1.0-2x2", "g20-Slit_1.8", "g8-Vert")


@dataclass(frozen=True)
class Setting:
    """What the frames of a setting are reduced with."""

    case: Case
    bias: Any
    detector: Any
    flat: Any
    arc: Any

    @classmethod
    def of(cls, case: Case, folder: Path) -> Setting:
        """Simulate and reduce the calibrations."""
        make_and_reduce(case, folder, 1, ("flexure",))
        products = Products(folder)
        parts = [products.all(step)[0] for step in ("bias", "detector", "flat", "wavelengths")]
        return cls(case, *parts)

    def frames(self, seconds: float, number: int, folder: Path) -> Iterator[Any]:
        """Yield reduced exposures of the standard star, each with chance of its own."""
        from alfosc_reduce_ccd.correction import CorrectFrame
        from alfosc_reduce_ccd.cosmic_rays import RejectCosmicRays
        from alfosc_reduce_ccd.flatfield import DivideFlat
        from alfosc_reduce_ccd.overscan import SubtractOverscan
        from alfosc_reduce_simulate import exposures, simulate_frame

        from alfosc_reduce import get_instrument

        instrument, night = get_instrument("alfosc"), night_of(self.case)
        target = replace(night.targets[0], exposure=seconds, arcs=0)
        night = replace(night, targets=(target,), n_flat=0, n_bias=0)
        for seed in range(number):
            frame = simulate_frame(night, replace(exposures(night)[0], seed=int(1000 * seconds) + seed), instrument)
            raw = SubtractOverscan()(instrument.read(frame.write(folder / "ALDc200001.fits")))
            image = CorrectFrame()(raw, self.bias, None, self.detector)
            yield RejectCosmicRays()(DivideFlat()(image, self.flat))


def shifted(arc: Any, pixels: float) -> Any:
    """Return an arc's wavelengths moved to the blue, so that the sky lies to the red of them."""
    from alfosc_reduce_longslit.flexure.fit import Drift
    from alfosc_reduce_longslit.flexure.flexure import moved

    none = np.zeros(0)
    back = Drift(np.array([-pixels]), np.zeros((1, 1)), 6000.0, 0.0, none.astype(bool), none)
    return moved(arc, back, None) if pixels else arc  # type: ignore[arg-type]


def drifts(images: list[Any], arc: Any) -> list[Any]:
    """Return what is made of each exposure."""
    from alfosc_reduce_longslit.flexure.fit import fit_drift
    from alfosc_reduce_longslit.flexure.flexure import measure_flexure

    return [fit_drift(*measure_flexure(image, arc)) for image in images]


@dataclass
class Outcome:
    """Errors that were left after correction, in pixels, and those claimed, of so many exposures."""

    exposures: int
    left: list[float]
    claimed: list[float]

    @classmethod
    def of(cls, found: list[Any], pixels: float) -> Outcome:
        """Judge drifts whose truth is `pixels`."""
        moved = [drift for drift in found if len(drift.coefficients)]
        left = [float(drift.coefficients[0]) - pixels for drift in moved]
        return cls(len(found), left, [float(np.sqrt(drift.covariance[0, 0])) for drift in moved])

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.exposures + other.exposures, self.left + other.left, self.claimed + other.claimed)

    def __str__(self) -> str:
        head = f"corrected {len(self.left):3d} of {self.exposures}"
        if not self.left:
            return head
        left, claimed = np.array(self.left), np.array(self.claimed)
        return (
            f"{head}, left {left.mean():+.3f} px, scatter {left.std():.3f}, claimed {claimed.mean():.3f}, "
            f"pull {np.sqrt(np.mean((left / claimed) ** 2)):.2f}"
        )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("-n", "--number", type=int, default=6, help="exposures of each kind")
    parser.add_argument("-o", "--folder", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="flexure-"))
    total = dict.fromkeys(MOVED, Outcome(0, [], []))
    for case in (case for case in CASES if case.name.startswith(tuple(arguments.names))):
        setting = Setting.of(case, folder / f"{case.name}-1")
        for seconds in SECONDS:
            images = list(setting.frames(seconds, arguments.number, folder))
            for pixels in MOVED:
                outcome = Outcome.of(drifts(images, shifted(setting.arc, pixels)), pixels)
                total[pixels] = total[pixels] + outcome
                print(f"{case.name:<28} {seconds:4.0f} s  moved {pixels:4.2f} px: {outcome}", flush=True)
    for pixels, outcome in total.items():
        print(f"{'all':<28}         moved {pixels:4.2f} px: {outcome}")
    return int(len(total[0.0].left) > 0.02 * total[0.0].exposures)


if __name__ == "__main__":
    sys.exit(main())
