"""Rectified frames: straight lines, conserved flux, a WCS that others read."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.products import WavelengthSolution
from alfosc_reduce_longslit.rectification.axis import grid_of
from alfosc_reduce_longslit.rectification.rectification import Rectify, pixel_edges
from astropy.io.fits import Header
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import DataError, Flag, load, save
from alfosc_reduce.images import make_image


def solution(ny: int = 60, nx: int = 400, tilt: float = 6.0) -> WavelengthSolution:
    coefficients = np.zeros((4, 3))
    coefficients[:, 0] = 6000, 1400, 60, 15
    coefficients[0, 1:] = tilt, 2.0
    table = QTable({"wavelength": [5000.0, 6000.0]})
    return WavelengthSolution(coefficients, (0, nx - 1), (0, ny - 1), table, (4700.0, 7300.0), 0.02, 2.3, (ny, nx))


def frame(density: np.ndarray, wavelengths: WavelengthSolution, noise: float = 0.0, seed: int = 0) -> CCDData:
    edges = pixel_edges(wavelengths)
    data = density * np.diff(edges, axis=1)
    rng = np.random.default_rng(seed)
    data = data + rng.normal(0, noise, data.shape) if noise else data
    header = Header({"OBJECT": "test", "PIXSCALE": 0.2138, "EXPTIME": 100.0})
    return make_image(data, unit="electron", variance=max(noise, 1.0) ** 2, header=header)


def test_tilted_lines_become_straight() -> None:
    wavelengths = solution(tilt=15)
    line = np.exp(-0.5 * ((wavelengths.map() - 5577.34) / 12) ** 2)
    result = Rectify()(frame(1000 * line, wavelengths), wavelengths)
    centres = grid_of(result.meta, result.shape[1]).centres()
    near = np.abs(centres - 5577.34) < 60
    centroid = (result.data[:, near] * centres[near]).sum(axis=1) / result.data[:, near].sum(axis=1)
    # A hundredth of a pixel.
    np.testing.assert_allclose(centroid, 5577.34, atol=0.1)
    flux = result.data[:, near].sum(axis=1) * result.meta["CDELT1"]
    np.testing.assert_allclose(flux, 1000 * 12 * np.sqrt(2 * np.pi), rtol=2e-3)


@pytest.mark.parametrize("parameters", [{}, {"step": 3 * u.AA}, {"step": 20 * u.AA}, {"scale": "log"}])
def test_density_does_not_depend_on_the_axis(parameters: dict[str, object]) -> None:
    wavelengths = solution()
    result = Rectify(**parameters)(frame(5 + wavelengths.map() / 1000, wavelengths), wavelengths)
    centres = grid_of(result.meta, result.shape[1]).centres()
    good = ~result.mask
    truth = np.broadcast_to(5 + centres / 1000, result.shape)
    inside = good & (np.asarray(result.flags) == 0)
    # Light is taken to be even inside a pixel, so a gradient becomes a staircase: half a pixel's rise at most.
    rise = 1e-3 * np.diff(pixel_edges(wavelengths), axis=1).max()
    np.testing.assert_allclose(result.data[inside], truth[inside], atol=0.5 * rise)
    assert np.mean((result.data - truth)[inside]) == pytest.approx(0, abs=0.01 * rise)
    assert result.unit == u.electron / u.AA


def test_pulls_are_normal() -> None:
    wavelengths = solution(ny=200)
    result = Rectify()(frame(np.zeros(wavelengths.shape), wavelengths, noise=6.0, seed=2), wavelengths)
    clean = np.asarray(result.flags) == 0
    pull = np.asarray(result.data)[clean] / np.sqrt(result.uncertainty.array[clean])
    assert pull.mean() == pytest.approx(0, abs=0.02)
    assert pull.std() == pytest.approx(1, abs=0.02)
    bins = np.asarray(result.data)[:, 20:380].reshape(200, -1, 36)
    errors = np.asarray(result.uncertainty.array)[:, 20:380].reshape(200, -1, 36)
    binned = bins.sum(axis=2) / np.sqrt(errors.sum(axis=2)) / result.meta["NOISECOR"]
    assert binned.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_others_read_the_wcs(scale: str, tmp_path: object) -> None:
    wavelengths = solution()
    result = Rectify(scale=scale)(frame(np.ones(wavelengths.shape), wavelengths), wavelengths)
    read = load(save(result, tmp_path / "r.fits"))  # type: ignore[operator]
    world = WCS(read.meta).pixel_to_world_values(np.arange(result.shape[1]), 10)
    # The WCS speaks SI.
    np.testing.assert_allclose(np.asarray(world[0]) * 1e10, grid_of(result.meta, result.shape[1]).centres(), rtol=1e-9)
    assert np.asarray(world[1])[0] * 3600 == pytest.approx(2.138) or np.asarray(world[1])[0] == pytest.approx(2.138)
    assert read.meta["AIRORVAC"] == "VACUUM"
    assert read.meta["DISPAXIS"] == 1


def test_range_and_outside() -> None:
    wavelengths = solution()
    step = Rectify(first=4000 * u.AA, last=7600 * u.AA, step=8 * u.AA)
    result = step(frame(np.ones(wavelengths.shape), wavelengths), wavelengths)
    centres = grid_of(result.meta, result.shape[1]).centres()
    assert centres[0] == 4000
    assert 7592 <= centres[-1] <= 7600
    outside = centres < 4500
    assert np.all(np.asarray(result.flags)[:, outside] == Flag.OUTSIDE_DETECTOR)
    assert np.all(result.mask[:, outside])
    assert np.all(result.data[:, outside] == 0)


def test_a_wrong_solution_is_refused() -> None:
    wavelengths = solution()
    image = frame(np.ones(wavelengths.shape), wavelengths)
    with pytest.raises(DataError, match="same window and binning"):
        Rectify()(image, solution(ny=61))
    with pytest.raises(DataError, match="no wavelengths between"):
        Rectify(first=7000 * u.AA, last=6000 * u.AA)(image, wavelengths)
    bent = np.array(wavelengths.coefficients)
    bent[2, 0] = 2000
    turned = WavelengthSolution(bent, (0, 399), (0, 59), wavelengths.lines, (0, 1), 0, 0, (60, 400))
    with pytest.raises(DataError, match="turns back"):
        Rectify()(image, turned)


def test_a_solution_that_runs_away_at_the_end_does_no_harm() -> None:
    """Beyond the last arc line the polynomial turns back; there is nothing there, but the rest is as it should be."""
    wavelengths = solution()
    edge = np.array(wavelengths.coefficients)
    steep = np.zeros((12, 3))
    steep[:4] = edge
    steep[11, 0] = -40
    away = WavelengthSolution(
        steep, (0, 399), (0, 59), wavelengths.lines, wavelengths.wavelengths, 0.02, 2.3, wavelengths.shape
    )
    assert np.diff(pixel_edges(away), axis=1).min() < 0
    result = Rectify()(make_image(np.ones((60, 400)), unit="electron", variance=1, header=Header()), away)
    assert 300 < result.shape[1] < 600
    good = ~result.mask
    assert good.mean() > 0.8
    assert np.asarray(result.data)[good].max() < 0.4


def test_it_shows_itself() -> None:
    wavelengths = solution(400, 1026)
    image = frame(np.ones(wavelengths.shape), wavelengths, noise=3)
    result = Rectify()(image, wavelengths)
    quality = Rectify().quality(result)
    assert quality["usable_fraction"] > 0.95
    assert 1 < quality["noise_correction"] < 1.5
    assert [name for name, _ in Rectify().figures(result)] == ["rectified"]
