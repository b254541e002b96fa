"""The contract of a step, held by every installed step of ours, on a small simulated night."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy.io.fits import Header

from alfosc_reduce import Step, get_instrument, get_step
from alfosc_reduce.registry import STEPS, plugins
from alfosc_reduce.testing import StepContract

pytestmark = pytest.mark.xdist_group("contracts")
"""On one worker: every product of the night is made once."""


class Chain:
    """Every product of a reduction in memory, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.instrument = get_instrument("alfosc")
        self.raw: dict[str, list[Any]] = {}
        for path in sorted(folder.glob("*.fits")):
            image = self.instrument.read(path)
            self.raw.setdefault(image.meta["FRAMEKND"], []).append(image)

    @cached_property
    def trimmed(self) -> dict[str, list[Any]]:
        return {kind: [call("subtract_overscan", image) for image in images] for kind, images in self.raw.items()}

    @cached_property
    def bias(self) -> Any:
        return call("combine_bias", self.trimmed["bias"])

    @cached_property
    def darks(self) -> list[Any]:
        darks = copy.deepcopy(self.trimmed["bias"])
        for dark in darks:
            dark.meta["EXPTIME"] = 1800.0
        return darks

    @cached_property
    def detector(self) -> Any:
        return call("measure_detector", self.trimmed["bias"], self.trimmed["flat"])

    def corrected(self, kind: str, number: int = 0) -> Any:
        return call("correct_frame", self.trimmed[kind][number], bias=self.bias, detector=self.detector)

    @cached_property
    def flats(self) -> list[Any]:
        return [self.corrected("flat", i) for i in range(len(self.trimmed["flat"]))]

    @cached_property
    def flat(self) -> Any:
        return call("combine_flat", self.flats)

    @cached_property
    def arc(self) -> Any:
        return call("combine_arcs", [self.corrected("arc")])

    @cached_property
    def wavelengths(self) -> Any:
        return call("solve_wavelengths", self.arc, self.instrument)

    @cache  # noqa: B019 - there is one chain
    def flattened(self, kind: str, number: int) -> Any:
        return call("divide_flat", self.corrected(kind, number), self.flat)

    @cache  # noqa: B019
    def cleaned(self, kind: str, number: int) -> Any:
        return call("reject_cosmic_rays", self.flattened(kind, number))

    @cache  # noqa: B019
    def sky(self, kind: str = "object", number: int = 0) -> Any:
        return call("subtract_sky", self.cleaned(kind, number), self.wavelengths)

    @cache  # noqa: B019
    def traces(self, kind: str = "object", number: int = 0) -> Any:
        return call("trace_objects", *self.sky(kind, number))

    @cache  # noqa: B019
    def spectra(self, kind: str = "object", number: int = 0) -> Any:
        image, sky = self.sky(kind, number)
        return call("extract_optimal", image, self.traces(kind, number), self.wavelengths, sky)

    @cached_property
    def response(self) -> Any:
        return call("measure_response", [self.spectra("standard", 0), self.spectra("standard", 1)], self.instrument)

    @cache  # noqa: B019
    def straight(self, number: int = 0) -> Any:
        return call("rectify", self.sky("object", number).image, self.wavelengths)

    @cache  # noqa: B019
    def calibrated(self, number: int = 0) -> Any:
        return call("calibrate_flux", self.spectra("object", number), self.instrument, self.response)


def call(name: str, *inputs: Any, **named: Any) -> Any:
    return get_step(name)()(*inputs, **named)


def extraction(chain: Chain) -> dict[str, Any]:
    image, sky = chain.sky()
    return {"image": image, "traces": chain.traces(), "wavelengths": chain.wavelengths, "sky": sky}


@cache
def star_field() -> Any:
    """A small image of the sky: electrons, 24 stars of FWHM 4 pixels, one of them saturated."""
    from astropy.io import fits

    from alfosc_reduce.flags import Flag
    from alfosc_reduce.images import make_image

    rng = np.random.default_rng(8)
    y, x = np.mgrid[:200, :220]
    light = np.full(x.shape, 200.0)
    for flux in np.geomspace(2e3, 3e6, 24):
        r2 = (x - rng.uniform(15, 205)) ** 2 + (y - rng.uniform(15, 185)) ** 2
        light += flux * 0.1034 / np.pi * (1 + 0.1034 * r2) ** -2.5
    data = rng.poisson(light) + rng.normal(0, 5, light.shape)
    header = fits.Header({"EXPTIME": 60.0, "PIXSCALE": 0.2138, "FILTER": "r", "OBJECT": "field", "MJD-AVG": 58940.1})
    flags = np.where(data > 1e5, int(Flag.SATURATED), 0)
    return make_image(data, unit="electron", header=header, variance=np.maximum(data, 0) + 25, flags=flags)


@cache
def skies(filter_name: str, level: float, fringes: float = 0.0) -> list[Any]:
    """Three dithered images of bright stars in a bright sky: twilight flats, or exposures with fringes."""
    from astropy.io import fits

    from alfosc_reduce.images import make_image

    rng = np.random.default_rng(9)
    y, x = np.mgrid[:160, :170]
    images = []
    for number in range(3):
        light = level * (1 + fringes * np.sin(x / 4 + y / 9))
        for flux, place in zip((4e5, 6e5, 2e5, 3e5), ((30, 40), (90, 120), (130, 60), (60, 95)), strict=True):
            r2 = (x - place[1] - 17 * number) ** 2 + (y - place[0] + 19 * number) ** 2
            light = light + flux * 0.1034 / np.pi * (1 + 0.1034 * r2) ** -2.5
        data = rng.poisson(light) + rng.normal(0, 5, light.shape)
        header = fits.Header({"FILENAME": f"s{number}.fits", "FILTER": filter_name, "EXPTIME": 60.0, "DISPAXIS": 0,
                              "RDNOISE": 5.0, "GAIN": 0.18, "CCDSUM": "1 1", "DETSEC": "[1:170,1:160]"})  # fmt: skip
        images.append(make_image(data, unit="electron", header=header, variance=np.maximum(data, 0) + 25))
    return images


@cache
def dithered() -> list[Any]:
    """Two exposures of one field, moved by 7 and 5 pixels."""
    images = [copy.deepcopy(star_field()) for _ in range(2)]
    for number, image in enumerate(images):
        image.meta.update({"FILENAME": f"d{number}.fits", "GAIN": 0.18, "RDNOISE": 5.0, "SATURATE": 1e5})
    for plane in (images[1].data, images[1].uncertainty.array, images[1].flags, images[1].mask):
        plane[:] = np.roll(plane, (7, 5), axis=(0, 1))
    return images


def stars_of_dithered() -> list[Any]:
    """The stars of both."""
    return [call("find_stars", image) for image in dithered()]


def with_trail() -> Any:
    """An image of the sky that a satellite has crossed."""
    from alfosc_reduce.images import make_image

    rng = np.random.default_rng(10)
    y, x = np.mgrid[:360, :380]
    light = 200 + 60 * np.exp(-4 * np.log(2) * ((0.6 * x - 0.8 * y + 30) / 6) ** 2)
    header = Header({"EXPTIME": 60.0, "OBJECT": "field", "FILENAME": "t.fits"})
    return make_image(rng.poisson(light), unit="electron", header=header, variance=light)


@cache
def measured_field() -> dict[str, Any]:
    """An image, its sources as tables say them, and the catalogue of its stars; one source is not in it."""
    import astropy.units as u
    from astropy.table import QTable

    image = copy.deepcopy(star_field())
    image.meta.update({"BAND": "r", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 75.0,
                       "CRPIX1": 110.0, "CRPIX2": 100.0, "CD1_1": -6e-5, "CD2_2": 6e-5})  # fmt: skip
    rng = np.random.default_rng(8)
    x, y, magnitude = rng.uniform(15, 185, 40), rng.uniform(15, 185, 40), rng.uniform(16, 20, 40)
    place = {"ra": (150 + 6e-5 * (109 - x) / np.cos(np.radians(75))) * u.deg, "dec": (75 + 6e-5 * (y - 99)) * u.deg}
    sources = QTable({"id": np.arange(40), "x": x, "y": y, **place})
    sources["flux_aper"] = 60 * 10 ** (-0.4 * (magnitude - 25 + rng.normal(0, 0.02, 40))) * u.electron
    sources["flux_aper_error"] = 0.02 * sources["flux_aper"]
    sources["flags"], sources["fwhm"] = np.zeros(40, np.int16), np.full(40, 4.0)
    sources.meta.update(SEEING=0.86, PIXSCALE=0.2138)
    names = np.array([f"S{i}" for i in range(40)])
    reference = QTable({"source_id": names, **place, "epoch": np.full(40, 2016.0), "mag_r": magnitude * u.mag})
    reference["mag_r_error"] = np.full(40, 0.01) * u.mag
    reference.meta.update(CATALOG="sdss", MAGSYS={"r": "AB"}, RA=150.0, DEC=75.0, RADIUS=0.1)
    return {"image": image, "sources": sources, "reference": reference[np.arange(40) != 7]}


@cache
def calibrated_tables() -> list[Any]:
    """Sources of three images with zero points, taken at different air masses."""
    tables = []
    for airmass in (1.0, 1.4, 1.9):
        given = copy.deepcopy(measured_field())
        given["sources"].meta.update(AIRMASS=airmass, FRAME=f"f{airmass}")
        given["sources"]["flux_aper"] *= 10 ** (-0.4 * 0.1 * airmass)
        tables.append(call("measure_zero_point", *given.values()).sources)
    return tables


@cache
def pointed_skies() -> dict[str, Any]:
    """Two exposures of one field, moved by 17 and 19 pixels, their WCS saying so."""
    images = copy.deepcopy(skies("V", 3000.0)[:2])
    for number, image in enumerate(images):
        image.meta.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 75.0, "CD1_1": -6e-5,
                           "CD2_2": 6e-5, "CRPIX1": 80.0 + 17 * number, "CRPIX2": 80.0 - 19 * number})  # fmt: skip
    return {"image": images[0], "reference_image": images[1]}


def places() -> Any:
    """Where the stars of `star_field` are that stand out."""
    return call("find_stars", star_field())[:8]


@cache
def forced(number: int) -> Any:
    """Fluxes at those places, at different times."""
    table = call("force_photometry", star_field(), places())
    table["name"] = table["name"].astype(str)
    table.meta["MJD-AVG"] += 0.01 * number
    return table


INPUTS: dict[str, Callable[[Chain], dict[str, Any]]] = {
    "subtract_overscan": lambda c: {"image": c.raw["object"][0]},
    "combine_bias": lambda c: {"frames": c.trimmed["bias"]},
    "combine_dark": lambda c: {"frames": c.darks, "bias": c.bias},
    "measure_detector": lambda c: {"bias": c.trimmed["bias"], "flats": c.trimmed["flat"]},
    "correct_frame": lambda c: {"image": c.trimmed["object"][0], "bias": c.bias, "detector": c.detector},
    "combine_flat": lambda c: {"frames": c.flats},
    "divide_flat": lambda c: {"image": c.corrected("object"), "flat": c.flat},
    "reject_cosmic_rays": lambda c: {"image": c.flattened("object", 0)},
    "combine_arcs": lambda c: {"frames": [c.corrected("arc", 0), c.corrected("arc", 1)]},
    "solve_wavelengths": lambda c: {"arc": c.arc, "instrument": c.instrument},
    "correct_flexure": lambda c: {"image": c.cleaned("object", 0), "wavelengths": c.wavelengths},
    "subtract_sky": lambda c: {"image": c.cleaned("object", 0), "wavelengths": c.wavelengths},
    "trace_objects": lambda c: dict(zip(("image", "sky"), c.sky(), strict=True)),
    "extract_optimal": extraction,
    "extract_boxcar": extraction,
    "rectify": lambda c: {"image": c.sky().image, "wavelengths": c.wavelengths},
    "measure_response": lambda c: {
        "spectra": [c.spectra("standard", 0), c.spectra("standard", 1)], "instrument": c.instrument,
    },
    "calibrate_flux": lambda c: {"spectra": c.spectra(), "instrument": c.instrument, "response": c.response},
    "calibrate_flux_2d": lambda c: {"image": c.straight(), "instrument": c.instrument, "response": c.response},
    "correct_velocity": lambda c: {"spectra": c.calibrated(), "instrument": c.instrument},
    "combine_spectra": lambda c: {"spectra": [c.calibrated(0), c.calibrated(1)]},
    "combine_2d": lambda c: {"images": [c.straight(0), c.straight(1)]},
    "find_stars": lambda c: {"image": star_field()},
    "measure_sources": lambda c: {"image": star_field()},
    "force_photometry": lambda c: {"image": star_field(), "sources": places()},
    "make_light_curve": lambda c: {"tables": [forced(i) for i in range(3)]},
    "combine_imaging_flat": lambda c: {"frames": skies("V", 20000.0)},
    "trim_image": lambda c: {"image": skies("V", 20000.0)[0]},
    "solve_wcs": lambda c: measured_field(),
    "measure_zero_point": lambda c: measured_field(),
    "measure_extinction": lambda c: {"tables": calibrated_tables()},
    "find_new": lambda c: measured_field(),
    "subtract_reference": lambda c: pointed_skies(),
    "flag_trails": lambda c: {"image": with_trail()},
    "register_images": lambda c: {"stars": stars_of_dithered()},
    "combine_images": lambda c: {"images": dithered(), "filelist": call("register_images", stars_of_dithered())},
    "combine_fringes": lambda c: {"images": skies("i", 3000.0, 0.05)},
    "subtract_fringes": lambda c: {
        "image": skies("i", 3000.0, 0.05)[0], "fringes": call("combine_fringes", skies("i", 3000.0, 0.05)),
    },
}  # fmt: skip
"""Inputs of every step, from the chain."""

MOVING = {
    "correct_frame",
    "rectify",
    "combine_bias",
    "combine_dark",
    "combine_flat",
    "combine_arcs",
    "combine_2d",
    "combine_imaging_flat",
    "combine_fringes",
    "combine_images",
    "trim_image",
}
"""Steps that turn, resample or merge pixels."""


@cache
def the_chain(folder: Path) -> Chain:
    return Chain(folder)


class InstalledContract(StepContract):
    """The contract of a step that is found by name."""

    name: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _chain(self, tiny_night: Any) -> None:
        self.chain = the_chain(tiny_night.raw)

    @property
    def step(self) -> Step:  # type: ignore[override]
        return get_step(self.name)()

    def inputs(self) -> dict[str, Any]:
        return copy.deepcopy(INPUTS[self.name](self.chain))


for _name in INPUTS:
    _title = "Test" + "".join(part.capitalize() for part in _name.split("_"))
    globals()[_title] = type(_title, (InstalledContract,), {"name": _name, "moves_pixels": _name in MOVING})


class TestFetchCatalog(StepContract):
    """With a catalogue in a file, on a field without pixels worth looking at."""

    @pytest.fixture(autouse=True)
    def _catalog(self, tmp_path: Path) -> None:
        self.path = tmp_path / "field.csv"
        stars = "\n".join(f"{150 + 0.01 * n},{2 - 0.005 * n},{15 + n},0.01" for n in range(-5, 6))
        self.path.write_text(f"ra,dec,mag_V,mag_V_error\n{stars}\n", "utf-8")

    @property
    def step(self) -> Step:  # type: ignore[override]
        return get_step("fetch_catalog")(catalogs=f"file:{self.path}")

    def inputs(self) -> dict[str, Any]:
        from alfosc_reduce.images import make_image

        header = Header({"RA": 150.0, "DEC": 2.0, "PIXSCALE": 10.0, "BAND": "V"})
        return {"image": make_image(np.ones((20, 30)), unit="electron", header=header, variance=1.0)}


def test_every_step_of_ours_is_held_to_the_contract() -> None:
    assert {name for name, plugin in plugins(STEPS).items() if plugin.owner == "alfosc-reduce"} == {
        *INPUTS,
        "fetch_catalog",
    }


def test_the_night_has_all_kinds(tiny_night: Any) -> None:
    chain = the_chain(tiny_night.raw)
    assert {kind: len(images) for kind, images in chain.raw.items()} == {
        "bias": 4, "flat": 3, "arc": 2, "object": 2, "standard": 2,
    }  # fmt: skip
    assert np.isfinite(chain.raw["object"][0].data).all()
