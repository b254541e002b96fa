"""Simulated raw nights of images with known truth.

``simulate_imaging_night(demo_imaging_night(), folder)`` writes the raw files and returns the truth; ``catalogue_of``
makes the reference catalogue of its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Field",
    "ImageSeries",
    "ImagingDemo",
    "ImagingNight",
    "ImagingTruth",
    "Injected",
    "SimulatedImage",
    "catalogue_of",
    "demo_imaging_night",
    "image_exposures",
    "simulate_image",
    "simulate_imaging_night",
]

if TYPE_CHECKING:
    from alfosc_reduce_simulate.imaging.catalogue import catalogue_of
    from alfosc_reduce_simulate.imaging.demo import ImagingDemo, demo_imaging_night
    from alfosc_reduce_simulate.imaging.frames import SimulatedImage, simulate_image
    from alfosc_reduce_simulate.imaging.night import simulate_imaging_night
    from alfosc_reduce_simulate.imaging.observations import (
        Field,
        ImageSeries,
        ImagingNight,
        Injected,
        image_exposures,
    )
    from alfosc_reduce_simulate.imaging.truth import ImagingTruth

_HOMES = {
    "Field": "observations",
    "ImageSeries": "observations",
    "ImagingDemo": "demo",
    "ImagingNight": "observations",
    "ImagingTruth": "truth",
    "Injected": "observations",
    "SimulatedImage": "frames",
    "catalogue_of": "catalogue",
    "demo_imaging_night": "demo",
    "image_exposures": "observations",
    "simulate_image": "frames",
    "simulate_imaging_night": "night",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
