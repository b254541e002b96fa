"""Two arcs about an exposure: the wavelengths of the moment between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_longslit.flexure.flexure import between_arcs
from alfosc_reduce_longslit.flexure.time import interpolated, two_around
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.wavelengths.header import wavelength_cards
from alfosc_reduce_simulate import Night, Readout, Target, exposures, simulate_frame, truth_of
from astropy.io.fits import Header
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce import get_instrument, get_step, load, save
from alfosc_reduce.images import make_image
from alfosc_reduce.testing import StepContract

NY, NX = 40, 300
STEP = get_step("correct_flexure")()
HOUR = 1 / 24


def arc(shift: float = 0.0, time: float | None = 58929.0, *, degree: int = 3, stretch: float = 0.0):
    """Wavelengths at a moment at which everything lies `shift` pixels to the red."""
    coefficients = np.zeros((degree + 1, 2))
    coefficients[:3, 0] = 6500 - 6.2 * shift, 6.2 * NX / 2 * (1 + stretch), 20
    coefficients[0, 1] = 1.0
    return WavelengthSolution(
        coefficients, (0.0, NX - 1.0), (0.0, NY - 1.0), QTable(meta={"object": f"arc{shift:g}, He"}), (5600.0, 7300.0),
        0.02, 2.4, (NY, NX), np.full(NX, 0.1), resolution=np.full(NX, 15.0), time=time,
    )  # fmt: skip


def blank(time: float):
    """A short exposure that shows no sky lines."""
    rng = np.random.default_rng(1)
    header = Header({"FILENAME": "star.fits", "EXPTIME": 10.0, "MJD-AVG": time, "RDNOISE": 6.0})
    return make_image(rng.normal(1, 6, (NY, NX)), unit="electron", header=header, variance=37.0)


@given(st.floats(0, 1), st.floats(-2, 2), st.floats(-2, 2))
def test_even_flexure_is_interpolated_without_error(late: float, start: float, end: float) -> None:
    first, second = arc(start, 58929.0), arc(end, 58929.0 + HOUR)
    found = interpolated(first, second, 58929.0 + late * HOUR)
    assert found is not None
    truth = arc(start + late * (end - start))
    np.testing.assert_allclose(found.map(), truth.map(), atol=1e-5)


def test_arcs_of_two_degrees_are_interpolated() -> None:
    found = interpolated(arc(0.0, 0.0, degree=3), arc(0.4, 1.0, degree=5), 0.25)
    assert found is not None
    np.testing.assert_allclose(found.map(), arc(0.1).map(), atol=1e-9)
    assert found.between == (("arc0", 0.75), ("arc0.4", 0.25))
    assert found.error == pytest.approx(0.1)


def test_arcs_of_two_windows_are_not() -> None:
    other = replace(arc(0.0, 1.0), shape=(20, NX), y_domain=(0.0, 19.0))
    assert interpolated(arc(0.0, 0.0), other, 0.5) is None


def test_an_exposure_between_two_arcs_gets_its_own_wavelengths() -> None:
    before, after = arc(0.0, 58929.0), arc(0.6, 58929.0 + 2 * HOUR)
    image = blank(58929.0 + 0.5 * HOUR)
    result = STEP(image, before, [before, after])
    np.testing.assert_allclose(result.map(), arc(0.15).map(), atol=1e-6)
    cards = {name: value for name, value, _ in wavelength_cards(result)}
    assert cards["ARC1"] == "arc0" and cards["ARCWGT1"] == 0.75
    assert STEP.quality(result)["arcs"] == 2


@pytest.mark.parametrize(
    "around",
    [None, [], [arc(0.0)], [arc(0.0, 58928.95), arc(0.3, 58928.99)], [arc(0.0, 58929.0), arc(0.3, 58929.3)],
     [arc(0.0, None), arc(0.3, None)]],
)  # fmt: skip
def test_without_an_arc_on_either_side_nearby_the_nearest_is_taken(around) -> None:
    nearest = arc(0.2, 58929.0)
    result = STEP(blank(58929.0 + HOUR), nearest, around)
    np.testing.assert_array_equal(result.map(), nearest.map())
    assert result.between == () and STEP.quality(result)["arcs"] == 1


def test_the_nearest_of_several_on_either_side_are_taken() -> None:
    arcs = [arc(float(i), 58929.0 + i * HOUR / 2) for i in range(5)]
    assert [a.time for a in two_around(arcs, 58929.0 + 0.7 * HOUR)] == [arcs[1].time, arcs[2].time]


def test_it_survives_the_store(tmp_path) -> None:
    found = interpolated(arc(0.0, 58929.0), arc(0.6, 58929.1), 58929.04)
    save(found, tmp_path / "w.fits")
    again = load(tmp_path / "w.fits")
    assert again.between == found.between and again.time == found.time


def frames_of_a_drifting_night(folder):
    """Return solved arcs before and after an exposure, the corrected exposure, its wavelengths in the middle row."""
    instrument = get_instrument("alfosc")
    target = Target("BLANK", 150.7, 28.0, (), exposure=1200.0, count=1, arcs=1)
    night = Night(
        (replace(target, count=0), target), n_bias=0, n_flat=0, drift=0.8, seed=3,
        readout=Readout((991, 1050, 1, 2102), (1, 2)),
    )  # fmt: skip
    arcs, images = [], []
    for one in exposures(night):
        frame = simulate_frame(night, one, instrument)
        raw = instrument.read(frame.write(folder / one.name))
        image = get_step("correct_frame")()(get_step("subtract_overscan")()(raw))
        if one.kind == "arc":
            arcs.append(get_step("solve_wavelengths")()(image, instrument))
        else:
            skipped = round((image.header["DISPPIX0"] - truth_of(night, frame).first) / image.header["DISPSTEP"])
            wavelengths = frame.spectrograph.wavelengths(frame.spectrograph.slit_centres[image.shape[0] // 2])
            images.append((image, wavelengths[skipped : skipped + image.shape[1]]))
    return arcs, *images[0]


def test_a_night_that_drifts_is_followed_better_than_by_either_arc(tmp_path) -> None:
    arcs, image, truth = frames_of_a_drifting_night(tmp_path)
    assert len(arcs) == 2 and all(arc.time for arc in arcs)
    between = between_arcs(image, arcs[0], arcs)
    row = image.shape[0] // 2
    x = np.arange(180.0, 900.0, 20)
    right = np.interp(x, np.arange(image.shape[1]), truth)
    missed = [np.sqrt(np.mean(((arc(x, row) - right) / 6.5) ** 2)) for arc in (*arcs, between)]
    assert missed[2] < 0.03
    assert missed[2] < 0.3 * min(missed[:2])
    # Where the sky's lines tell, they find little left to do.
    moved = STEP(image, arcs[0], arcs).flexure.meta
    assert abs(moved["shift"]) < 0.03


class TestWavelengthsBetweenArcs(StepContract):
    step = STEP

    def inputs(self):
        before, after = arc(0.0, 58929.0), arc(0.6, 58929.0 + 2 * HOUR)
        return {"image": blank(58929.0 + HOUR), "wavelengths": before, "around": [before, after]}
