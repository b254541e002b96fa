"""Objects: what is there is found where it is, what is not there is not found."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.extraction.profile import moffat, scaled
from alfosc_reduce_longslit.objects.objects import TraceObjects
from astropy.io.fits import Header

from alfosc_reduce.errors import DataError
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image, variance_of
from alfosc_reduce.products import load, save

NY, NX = 150, 600


def curve(position, nx=NX):
    t = scaled(np.arange(nx), nx)
    return position + 3 * t + 0.8 * t**2


def scene(fluxes=(), positions=(), seed=0, fwhm=4.0, rays=0, structure=0.0, ny=NY):
    """Return a sky-subtracted frame with objects on curved traces, and noise of 8 electrons."""
    rng = np.random.default_rng(seed)
    rows, t = np.arange(ny)[:, None], scaled(np.arange(NX), NX)
    light = np.zeros((ny, NX))
    for flux, position in zip(fluxes, positions, strict=True):
        light += flux * moffat(rows - curve(position), t, (fwhm, 0.0, 0.0, 2.5, 0.0, 0.0))
    data = light + rng.normal(0, 1, light.shape) * np.sqrt(64 + light)
    data += structure * rng.normal(0, 1, (ny, 1))
    for y, x in zip(rng.integers(0, ny - 1, rays), rng.integers(0, NX, rays), strict=True):
        data[y : y + 2, x] += rng.uniform(200, 5000)
    header = Header({"PIXSCALE": 0.2138, "FILENAME": "sim.fits", "RDNOISE": 6.0})
    return make_image(data, unit="electron", header=header, variance=64 + light)


def test_nothing_is_found_where_nothing_is(caplog):
    found = [len(TraceObjects()(scene(seed=seed, rays=30))) for seed in range(25)]
    assert sum(found) == 0
    assert "no object stands out" in caplog.text


def test_structure_along_the_slit_makes_no_object():
    found = [len(TraceObjects()(scene(seed=seed, structure=1.5))) for seed in range(15)]
    assert sum(found) == 0


@pytest.mark.parametrize("flux", [40, 1000, 100_000])
def test_an_object_is_traced(flux):
    traces = TraceObjects()(scene([flux], [60], seed=1, rays=20))
    assert len(traces) == 1
    tolerance = {40: 0.6, 1000: 0.1, 100_000: 0.05}[flux]
    assert np.abs(traces.centres[0] - curve(60)).max() < tolerance
    assert traces.fwhm[0] == pytest.approx(4.3, rel=0.2)


def test_the_limit_is_where_objects_begin_to_be_found():
    limit = TraceObjects()(scene(seed=2)).limit
    found = [len(TraceObjects()(scene([factor * limit], [70], seed=3))) for factor in (0.3, 3)]
    assert found == [0, 1]


def test_two_objects_come_brightest_first():
    traces = TraceObjects()(scene([800, 3000], [40, 100], seed=4))
    assert len(traces) == 2
    assert np.median(traces.centres[0]) == pytest.approx(np.median(curve(100)), abs=0.2)
    assert traces.significance[0] > traces.significance[1] > 5


def test_objects_that_overlap_are_told_apart():
    traces = TraceObjects()(scene([3000, 1500], [60, 67], seed=5))
    assert len(traces) == 2
    np.testing.assert_allclose(np.median(traces.centres, axis=1), np.median(curve(60)) + np.array([0, 7]), atol=0.5)


def test_the_wings_of_a_bright_star_are_no_object():
    for seed in range(4):
        assert len(TraceObjects()(scene([300_000], [70], seed=seed))) == 1


def test_what_the_edge_of_the_window_shows_is_no_object():
    image = scene([2000], [90], seed=16)
    rising = np.asarray(image.data) + 3 * np.exp(-0.5 * ((np.arange(NY) - 4) / 2.5) ** 2)[:, None]
    traces = TraceObjects()(make_image(rising, unit="electron", header=image.header, variance=variance_of(image)))
    assert len(traces) == 1


def test_a_trace_that_leaves_the_blue_goes_on_straight():
    image = scene([2000], [60], seed=6)
    dark = np.array(image.data)
    dark[:, :150] = np.random.default_rng(7).normal(0, 8, (NY, 150))
    traces = TraceObjects()(make_image(dark, unit="electron", header=image.header, variance=variance_of(image)))
    assert np.abs(traces.centres[0] - curve(60)).max() < 1.5


def test_a_position_forces_an_aperture(caplog):
    traces = TraceObjects(position=20 * u.arcsec)(scene(seed=8))
    assert len(traces) == 1
    assert traces.centres[0] == pytest.approx(20 / 0.2138)
    assert "because position says so" in caplog.text


def test_a_forced_aperture_runs_parallel_to_a_brighter_object():
    traces = TraceObjects(position=30 * u.pix)(scene([5000], [90], seed=9))
    np.testing.assert_allclose(traces.centres[0], curve(30) - np.median(curve(30)) + 30, atol=0.2)


def test_a_position_chooses_among_the_objects():
    traces = TraceObjects(position=100 * u.pix)(scene([3000, 800], [40, 100], seed=10))
    assert len(traces) == 1
    assert np.abs(traces.centres[0] - curve(100)).max() < 0.3


def test_a_position_off_the_slit_is_refused():
    with pytest.raises(DataError, match="slit has rows 0 to 149"):
        TraceObjects(position=300 * u.pix)(scene(seed=11))


def test_a_frame_without_a_usable_pixel_is_refused():
    image = make_image(np.full((NY, NX), np.nan), unit="electron", header=Header(), variance=1.0)
    with pytest.raises(DataError, match="no usable pixel"):
        TraceObjects()(image)


def test_traces_survive_the_store(tmp_path):
    for image in (scene([3000], [50], seed=12), scene(seed=13)):
        traces = TraceObjects()(image)
        save(traces, tmp_path / f"{len(traces)}.fits")
        again = load(tmp_path / f"{len(traces)}.fits")
        np.testing.assert_array_equal(again.centres, traces.centres)
        assert again.limit == traces.limit
        assert len(again) == len(traces)


def test_quality_and_figures():
    step, image = TraceObjects(), scene([3000], [50], seed=14)
    traces = step(image)
    assert step.quality(traces)["objects"] == 1
    assert [name for name, _ in step.figures(traces, image=image)] == ["profile", "traces"]
    empty = step(scene(seed=15))
    assert step.quality(empty)["object_significance"] is None
    assert len(list(step.figures(empty, image=scene(seed=15)))) == 2


def with_frame(image, data=None, variance=None, flags=None):
    data = np.asarray(image.data) if data is None else data
    variance = variance_of(image) if variance is None else variance
    return make_image(data, unit="electron", header=image.header, variance=variance, flags=flags)


def test_a_hot_line_of_the_detector_along_the_spectrum_is_no_object():
    image = scene([5000], [90], seed=11)
    hot = np.array(image.data)
    hot[40, 200:] += 60
    traces = TraceObjects()(with_frame(image, hot))
    assert len(traces) == 1
    np.testing.assert_allclose(traces.centres[0], TraceObjects()(image).centres[0], atol=0.05)


def test_columns_with_few_usable_pixels_weigh_no_more_than_others():
    found = []
    for seed in range(15):
        image = scene([100_000], [40], seed=seed)
        flags, data = np.zeros(image.shape, np.int16), np.array(image.data)
        columns = np.random.default_rng(seed).integers(50, 550, 5)
        flags[:90, columns] = Flag.BAD_PIXEL
        data[:90, columns] = 0
        found.append(len(TraceObjects()(with_frame(image, data, np.where(flags > 0, 1, variance_of(image)), flags))))
    assert found == [1] * 15
