"""Simulated raw ALFOSC nights with known truth.

``simulate_night(Night((target,)), folder)`` writes the raw files and returns the truth; `simulate_frame` makes one
frame in memory. Everything follows from the seed, frame by frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Detector",
    "Exposure",
    "Night",
    "Readout",
    "SimulatedFrame",
    "Source",
    "SourceSpectrum",
    "SpectroscopyDemo",
    "Target",
    "Truth",
    "demo_night",
    "exposures",
    "power_law",
    "quasar",
    "simulate_frame",
    "simulate_night",
    "standard_target",
    "truth_of",
]

if TYPE_CHECKING:
    from alfosc_reduce_simulate.demo import SpectroscopyDemo, demo_night, standard_target
    from alfosc_reduce_simulate.detector import Detector, Readout
    from alfosc_reduce_simulate.frames import SimulatedFrame, simulate_frame
    from alfosc_reduce_simulate.night import simulate_night, truth_of
    from alfosc_reduce_simulate.observations import Exposure, Night, Source, Target, exposures
    from alfosc_reduce_simulate.sources import SourceSpectrum, power_law, quasar
    from alfosc_reduce_simulate.truth import Truth

_HOMES = {
    "Detector": "detector",
    "Exposure": "observations",
    "Night": "observations",
    "Readout": "detector",
    "SimulatedFrame": "frames",
    "Source": "observations",
    "SourceSpectrum": "sources",
    "SpectroscopyDemo": "demo",
    "Target": "observations",
    "Truth": "truth",
    "demo_night": "demo",
    "exposures": "observations",
    "power_law": "sources",
    "quasar": "sources",
    "simulate_frame": "frames",
    "simulate_night": "night",
    "standard_target": "demo",
    "truth_of": "night",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
