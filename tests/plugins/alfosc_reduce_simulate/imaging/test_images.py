"""Frames: told from real ones by nobody, the same for the same seed, and true to their truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_simulate import Detector, Readout
from alfosc_reduce_simulate.detector import pedestal
from alfosc_reduce_simulate.imaging import (
    Field,
    ImageSeries,
    ImagingNight,
    image_exposures,
    simulate_image,
    simulate_imaging_night,
)
from alfosc_reduce_simulate.imaging.artefacts import bleed
from alfosc_reduce_simulate.imaging.night import truth_of_image
from alfosc_reduce_simulate.imaging.response import flat_response, fringe_pattern

from alfosc_reduce import DataError, get_instrument, load, save
from alfosc_reduce.images import header_wcs

ALFOSC = get_instrument("alfosc")
MIDDLE = Readout((801, 1200, 801, 1200))
WHOLE = Readout(binning=(4, 4))
QUIET = Detector(cosmic_rays=0.0, hot_columns=0, hot_pixels=0, response_scatter=0.0)
EMPTY = Field(160.0, 28.0, stars=0, galaxies=0, seed=2)


def night(field=EMPTY, *, series=(), **changes) -> ImagingNight:
    settings = {"readout": MIDDLE, "n_bias": 2, "n_flat": 2, "seed": 3, "detector": QUIET}
    return ImagingNight(series or (ImageSeries("A field", field),), **(settings | changes))


def simulate(what: ImagingNight, number: int = 0):
    return simulate_image(what, image_exposures(what)[number], ALFOSC.site())


def electrons(what: ImagingNight, frame) -> np.ndarray:
    """Return what a perfect reduction would make of a frame, before the flat field."""
    raw = frame.data.view(np.int32) - pedestal(what.detector, what.readout) - frame.level
    return raw * what.detector.gain


def test_the_classifier_sees_what_was_simulated(tmp_path):
    series = tuple(ImageSeries(f"Field {name}", EMPTY, name, count=1) for name in ("r", "z", "B", "I"))
    truth = simulate_imaging_night(night(series=series, readout=WHOLE), tmp_path)
    for row in truth.frames:
        image = ALFOSC.read(tmp_path / str(row["file"]))
        assert image.meta["FRAMEKND"] == row["kind"]
        assert image.meta["EXPTIME"] == pytest.approx(row["exposure"].value)
        assert image.meta["MJD-AVG"] == pytest.approx(row["mjd"].value, abs=1e-7)
        assert not ALFOSC.describe(image.meta).remarks
        if row["kind"] != "bias":
            assert image.meta["BAND"] == row["band"]
        if row["kind"] == "image":
            assert image.meta["OBJECT"] == row["target"]
            assert image.meta["AIRMASS"] == pytest.approx(row["airmass"], abs=2e-4)


def test_headers_have_all_the_keywords_of_a_real_frame(testdata):
    from astropy.io import fits

    frame = simulate(night())
    real = testdata / "alfosc-longslit" / "ALDc200205.fits.gz"
    of_the_file = {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT", "COMMENT"}
    of_the_file |= {"BZERO", "BSCALE", "EXTNAME", "CDELT1", "CDELT2"}
    for extension, ours in ((0, frame.primary), (1, frame.header)):
        assert set(fits.getheader(real, extension)) - of_the_file <= set(ours)


@pytest.mark.parametrize("sky_map", ["header", "none"])
@pytest.mark.parametrize("dec", [0.0, 75.0])
def test_headers_tell_the_sky_as_wrong_as_ordered(tmp_path, sky_map, dec):
    what = night(
        Field(0.02, dec, stars=60, galaxies=0), pointing_error=(20.0, -35.0), angle_error=2.0, sky_map=sky_map,
        distortion=0.0, start="2025-09-22T23:30:00",
    )  # fmt: skip
    frame = simulate(what)
    truth = truth_of_image(what, frame)
    wcs = header_wcs(ALFOSC.read(frame.write(tmp_path / "a.fits")).meta)
    stars = truth.sources_on(frame.exposure.name)
    x, y = wcs.all_world2pix(stars["ra"].value, stars["dec"].value, 0)
    design = np.stack([stars["x"].value, stars["y"].value, np.ones(len(stars))], axis=1)
    to_x, to_y = (np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y))
    turn = np.degrees(np.arctan2(to_x[1] - to_y[0], to_x[0] + to_y[1]))
    # Twenty arc seconds to the east the north of declination 75 is turned by 0.02 degrees.
    assert abs(turn) == pytest.approx(2.0, abs=0.03)
    place = np.array(frame.conditions.optics.reference_pixel())
    there = np.array([design_row @ np.append(place, 1) for design_row in (to_x, to_y)])
    assert np.hypot(*(there - place)) * 0.2138 == pytest.approx(np.hypot(20, 35), abs=0.6)


def test_stars_lie_where_the_truth_says_and_hold_its_electrons():
    what = night(Field(160.0, 28.0, stars=0, galaxies=0, seed=2), loss=0.0)
    bright = replace(what, series=(replace(what.series[0], field=_with_star(13.5)),))
    frame, without = simulate(bright), simulate(what)
    star = truth_of_image(bright, frame).sources_on(frame.exposure.name)[-1]
    flat = flat_response(QUIET, MIDDLE, "r")
    light = (electrons(bright, frame) - electrons(what, without)) / flat
    x, y = star["x"].value, star["y"].value
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    near = np.hypot(columns - x, rows - y) < 60
    assert light[near].sum() == pytest.approx(star["electrons"].value, rel=3e-3)
    assert (light * columns)[near].sum() / light[near].sum() == pytest.approx(x, abs=0.05)
    assert (light * rows)[near].sum() / light[near].sum() == pytest.approx(y, abs=0.05)


def _with_star(magnitude: float) -> Field:
    from alfosc_reduce_simulate.imaging import Injected

    return replace(EMPTY, injected=(Injected(3.0, 4.0, magnitude + 2.0),))


def test_magnitudes_follow_zero_point_extinction_and_colour():
    what = night(_with_star(15.0))
    frame = simulate(what)
    truth = truth_of_image(what, frame)
    star, row, band = truth.sources_on(frame.exposure.name)[-1], truth.frames[0], truth.bands[0]
    zero_point = band["zero_point"] - band["extinction"] * row["airmass"] - row["loss"].value
    assert row["zero_point"].value == pytest.approx(zero_point)
    colour = star["mag_g"].value - star["mag_r"].value
    measured = zero_point - 2.5 * np.log10(star["electrons"].value / 120.0) + band["colour_term"] * colour
    assert measured == pytest.approx(star["magnitude"].value)


def test_the_noise_is_that_of_photons_and_read_out():
    what = night()
    frames = [simulate(what, number) for number in (0, 1)]
    for frame in frames:
        flat = flat_response(QUIET, MIDDLE, "r").astype(float)
        expected = frame.sources.sky * flat + QUIET.dark * 120
        off = electrons(what, frame) - expected
        pull = off / np.sqrt(expected + QUIET.read_noise**2)
        number = pull.size
        assert abs(pull[1:].mean()) < 4 / np.sqrt(number)
        assert pull[1:].std() == pytest.approx(1, abs=4 / np.sqrt(2 * number))


def test_biases_have_read_noise_only():
    what = night()
    for number in (-1, -2):
        frame = simulate(what, number)
        noise = electrons(what, frame)[1:]
        assert abs(noise.mean()) < 0.1
        # The raw integers add a twelfth of an ADU squared.
        assert noise.std() == pytest.approx(QUIET.read_noise, rel=0.01)


@pytest.mark.parametrize(("band", "amplitude"), [("i", 0.015), ("z", 0.05)])
def test_fringes_have_the_amplitude_of_the_truth_in_each_frame(band, amplitude):
    what = night(series=(ImageSeries("A", EMPTY, band),))
    seen = []
    for number in range(3):
        frame = simulate(what, number)
        light = electrons(what, frame) / flat_response(QUIET, MIDDLE, band) / frame.sources.sky
        pattern = fringe_pattern(MIDDLE, band).astype(float)
        slope = np.polyfit(pattern.ravel(), light.ravel(), 1)[0]
        assert slope == pytest.approx(frame.conditions.fringes, rel=0.05)
        seen.append(slope)
    assert np.mean(seen) == pytest.approx(amplitude, rel=0.5)
    assert np.std(seen) > 0.02 * amplitude


def test_dithers_move_the_stars_and_each_frame_has_its_own_seeing_sky_and_loss():
    what = night(Field(160.0, 28.0, stars=300, galaxies=0), readout=Readout())
    frames = [simulate(what, number) for number in range(3)]
    truths = [truth_of_image(what, frame) for frame in frames]
    first, second = (truth.sources_on(frame.exposure.name) for truth, frame in zip(truths, frames[:2], strict=False))
    shared, a, b = np.intersect1d(first["source"], second["source"], return_indices=True)
    assert shared.size > 100
    shift = np.median(second["x"].value[b] - first["x"].value[a])
    assert abs(shift) * 0.2138 == pytest.approx(12, rel=0.15)
    for name in ("seeing", "sky", "loss", "angle"):
        assert len({float(truth.frames[name].value[0]) for truth in truths}) == 3
    assert truths[0].frames["seeing_field"].value[0] > truths[0].frames["seeing"].value[0]


def test_the_same_seed_gives_the_same_frame_whatever_came_before():
    what = night(Field(160.0, 28.0, stars=300))
    first = simulate(what, 0).data
    simulate(what, 1)
    np.testing.assert_array_equal(simulate(what, 0).data, first)
    assert np.any(simulate(replace(what, seed=4), 0).data != first)


@pytest.mark.parametrize("ra", [340.0, 250.0])
def test_a_field_below_the_horizon_is_refused(ra):
    with pytest.raises(DataError, match="is not up at 2025-03-20 22:31; choose another start"):
        simulate(night(Field(ra, -20.0, stars=0, galaxies=0)))


def test_flats_have_dark_corners_changing_levels_and_stars_that_move():
    what = night(readout=WHOLE)
    flats = [electrons(what, simulate(what, number)) for number in (4, 5)]
    middle = [np.median(flat[150:350, 150:350]) for flat in flats]
    assert middle[0] == pytest.approx(260_000 * 0.179, rel=0.05)
    assert middle[1] == pytest.approx(200_000 * 0.179, rel=0.05)
    for flat, level in zip(flats, middle, strict=True):
        assert flat[2:20, 15:40].mean() < 0.05 * level
    ratio = flats[0] / middle[0] - flats[1] / middle[1]
    lit = flat_response(QUIET, WHOLE, "r") > 0.7
    assert ratio[lit].max() > 0.1 and ratio[lit].min() < -0.1
    assert np.median(ratio[lit]) == pytest.approx(0, abs=2e-3)
    assert np.median(flat_response(QUIET, WHOLE, "r")[lit]) == pytest.approx(1, abs=0.01)


def test_full_wells_spill_along_columns_and_lose_nothing():
    image = np.full((300, 5), 100.0, np.float32)
    image[150, 2], image[100, 3] = 1_000_000.0, 160_000.0
    before = image.sum(axis=0, dtype=float)
    bleed(image, 155_000.0)
    np.testing.assert_allclose(image.sum(axis=0, dtype=float), before, rtol=1e-6)
    assert image.max() == pytest.approx(155_000)
    full = np.flatnonzero(image[:, 2] > 150_000)
    assert full.size == 5 and abs(full.mean() - 150) < 1 and np.all(np.diff(full) == 1)


def test_a_bright_star_saturates_and_bleeds(tmp_path):
    what = night(_with_star(9.0))
    image = ALFOSC.read(simulate(what).write(tmp_path / "a.fits"))
    saturated = image.data > image.meta["SATURATE"]
    extent = [np.ptp(np.flatnonzero(saturated.any(axis=axis))) for axis in (0, 1)]
    assert extent[1] > 2 * extent[0] > 10


@pytest.mark.parametrize("oddity", ["defocused", "trailed", "blank", "saturated", "satellite"])
def test_odd_frames_are_odd(tmp_path, oddity):
    field = replace(_with_star(15.0), stars=80)
    plain = night(field, loss=0.0)
    odd = replace(plain, series=(replace(plain.series[0], oddities=((0, oddity),)),))
    before, after = electrons(plain, simulate(plain)), electrons(odd, simulate(odd))
    sky = simulate(plain).sources.sky
    match oddity:
        case "blank":
            assert abs(after[1:].mean()) < 1
        case "saturated":
            assert np.sum(after > 100_000) > 20 > np.sum(before > 100_000)
        case "satellite":
            assert np.sum(after - before > 0.2 * sky) > 800
        case _:
            assert after.max() < 0.2 * before.max()
            assert (after - np.median(after)).sum() == pytest.approx((before - np.median(before)).sum(), rel=0.2)
    assert ALFOSC.read(simulate(odd).write(tmp_path / "a.fits")).meta["FRAMEKND"] == "image"


def test_a_flipped_image_is_mirrored_and_its_header_does_not_know():
    what = night(Field(160.0, 28.0, stars=200, galaxies=0), angle_error=0.0, turn=0.0)
    plain, mirrored = simulate(what), simulate(replace(what, flipped=True))
    assert plain.header["CD1_1"] == mirrored.header["CD1_1"]
    axis = plain.conditions.optics.reference_pixel()[0]
    one, other = (dict(zip(f.sources.number, f.sources.x, strict=True)) for f in (plain, mirrored))
    for number in list(one)[:20]:
        if number in other:
            assert one[number] - axis == pytest.approx(axis - other[number], abs=1e-6)


def test_truth_survives_the_file(tmp_path):
    what = night(Field(160.0, 28.0, stars=100), n_bias=1, n_flat=1, readout=WHOLE)
    truth = simulate_imaging_night(what, tmp_path / "raw")
    save(truth, tmp_path / "truth.fits")
    back = load(tmp_path / "truth.fits")
    assert list(back.frames["file"]) == list(truth.frames["file"])
    assert back.files("image") == list(back.frames["file"][:4])
    np.testing.assert_array_equal(back.images["electrons"], truth.images["electrons"])
    assert back.images["electrons"].unit == "electron"
    assert back.window == (1, 2148, 1, 2102) and back.binning == (4, 4)
    assert set(back.sources_on(back.files("image")[0])["kind"]) >= {"star"}
