"""Light on the frame: lines fall where the truth says, electrons follow from fluxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_simulate import Night, Readout
from alfosc_reduce_simulate.dispersion import SECOND_ORDER, tilted
from alfosc_reduce_simulate.frames import spectrograph_of
from alfosc_reduce_simulate.lamps import fringes, illumination, slit_ends
from alfosc_reduce_simulate.sky import RAYLEIGH, extinction, sky_lines, telluric
from alfosc_reduce_simulate.spectrograph import blaze, filter_transmission, optics

from alfosc_reduce import get_instrument

PART = Readout((951, 1150, 1, 2102), (1, 2))


def setting(**changes):
    return spectrograph_of(Night((), **({"readout": PART} | changes)), get_instrument("alfosc"))


@pytest.mark.parametrize(
    ("grism", "slit", "readout"),
    [
        ("Grism_#4", "Slit_1.0", PART),
        ("Grism_#7", "Slit_1.3", Readout((951, 1050, 1, 2102))),
        ("Grism_#18", "Vert_0.9", Readout((1, 2148, 951, 1050), (2, 1))),
    ],
)
def test_line_centroids_are_where_the_relation_puts_them(grism, slit, readout):
    spectrograph = setting(grism=grism, slit=slit, readout=readout, filter="Open")
    lines = spectrograph.dispersion.wavelength(np.array([-700.3, -100.9, 20.25, 650.7]))
    cells = spectrograph.disperse_lines(lines, 1e5 / spectrograph.efficiency(lines))
    image = spectrograph.fill(cells)
    middles = (spectrograph.borders[1:] + spectrograph.borders[:-1]) / 2
    for row in (0, image.shape[0] // 2, image.shape[0] - 1):
        expected = tilted(spectrograph.dispersion.place(lines), spectrograph.slit_centres[row])
        for place in expected:
            near = np.abs(middles - place) < 20
            light = image[row, near]
            assert light.sum() == pytest.approx(1e5 * np.diff(spectrograph.slit)[0], rel=1e-5)
            centroid = (light * middles[near]).sum() / light.sum()
            assert centroid == pytest.approx(place, abs=0.02 * spectrograph.readout.binning[spectrograph.axis - 1])


def test_raw_and_oriented_frames_are_inverse_and_wavelength_runs_as_in_real_frames():
    horizontal, vertical = setting(), setting(slit="Vert_1.0", readout=Readout((1, 2148, 951, 1050)))
    assert (horizontal.axis, horizontal.sign, vertical.axis, vertical.sign) == (2, -1, 1, 1)
    for spectrograph in (horizontal, vertical):
        shape = (spectrograph.slit.size - 1, spectrograph.borders.size - 1)
        oriented = np.arange(np.prod(shape)).reshape(shape)
        raw = spectrograph.raw(oriented)
        assert raw.shape == spectrograph.readout.shape
        np.testing.assert_array_equal(spectrograph.orient(raw), oriented)
    assert np.all(np.diff(horizontal.wavelengths(0.0)) > 0)


def test_second_order_shows_helium_3889_at_7381():
    spectrograph = setting()
    helium = np.array([3889.75])
    cells = spectrograph.disperse_lines(helium, np.array([1e5]))
    first = spectrograph.dispersion.place(helium * SECOND_ORDER)[0]
    ghost = np.abs(spectrograph.grid.nodes[:-1] - first) < 5
    share = cells[ghost].sum() / cells[~ghost].sum()
    assert helium[0] * SECOND_ORDER == pytest.approx(7381.5, abs=0.5)
    assert share == pytest.approx(0.39, abs=0.01)


def test_grisms_without_second_order_in_the_table_have_none():
    assert not setting(grism="Grism_#20", filter="Open").second_order_efficiency(np.array([4000.0])).any()


def test_continuous_light_keeps_its_photons():
    spectrograph = replace(setting(filter="Open"), second_order=False)
    cells = spectrograph.disperse(lambda w: np.where(w < 7500, 1.0, 0.0))
    wavelength = np.arange(3000.0, 11000.0, 0.5)
    inside = (wavelength > spectrograph.wavelengths(0.0)[0]) & (wavelength < 7500)
    assert cells.sum() == pytest.approx(0.5 * spectrograph.efficiency(wavelength[inside]).sum(), rel=0.03)


def test_filters_cut_where_their_names_say():
    wavelength = np.array([3400.0, 3560.0, 4000.0, 6300.0])
    cut = filter_transmission("WG345 356_LP", wavelength)
    assert cut[0] < 0.01
    assert cut[1] == pytest.approx(0.46)
    assert cut[2] > 0.9
    band = filter_transmission("R_Bes 631_121", wavelength)
    assert band[0] < 1e-3
    assert band[3] == pytest.approx(0.9)
    assert np.all(filter_transmission("Open", wavelength) == 1)


def test_efficiency_is_smooth_and_ends_in_the_ultraviolet_and_infrared():
    wavelength = np.arange(2900.0, 11500.0, 10)
    total = optics(wavelength) * blaze(wavelength, 3200, 9600)
    assert 0.2 < total.max() < 0.3
    assert total[0] == 0
    assert total[-1] == 0
    assert np.abs(np.diff(total, 2)).max() < 2e-3


def test_fringes_grow_to_the_red():
    p, s = np.meshgrid(np.arange(0.0, 400, 0.5), np.arange(0.0, 40))
    for wavelength, peak_to_peak in ((8000.0, 0.015), (9000.0, 0.04), (10000.0, 0.10)):
        band = fringes(wavelength + 0.5 * p, p, s)
        assert np.ptp(band) == pytest.approx(peak_to_peak, rel=0.35)
    assert np.ptp(fringes(np.full_like(p, 6000.0), p, s)) == 0


def test_the_lamp_has_dips_that_the_sky_does_not_have():
    s = np.arange(-200.0, 200)
    lamp, sky = illumination(s, lamp=True), illumination(s, lamp=False)
    smooth = np.polynomial.Polynomial.fit(s, lamp, 2)(s)
    assert (lamp / smooth).min() < 0.96
    assert np.ptp(sky) < 0.01
    assert slit_ends(np.array([0.0, 740.0, 745.0, 800.0])) == pytest.approx([1, 0.966, 0.5, 0], abs=0.001)


def test_the_sky_has_its_strongest_lines_and_the_air_its_bands():
    wavelength, strength = sky_lines()
    assert wavelength[np.argmax(strength * (wavelength < 6000))] == pytest.approx(5578.89, abs=0.05)
    assert np.all(np.diff(wavelength) >= 0)
    assert pytest.approx(1.87e-6, rel=0.01) == RAYLEIGH
    through = telluric(np.array([5500.0, 7600.0]), 1.2)
    assert through[0] == 1
    assert through[1] < 0.5
    curve = (np.array([3000.0, 9000.0]), np.array([0.5, 0.5]))
    assert extinction(np.array([5000.0]), curve, 2.0) == pytest.approx(10**-0.4)
