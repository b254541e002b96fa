"""Frames and nights: told from real ones by nobody, the same for the same seed, and true to their truth."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate import (
    Detector,
    Night,
    Readout,
    Source,
    Target,
    exposures,
    power_law,
    simulate_frame,
    simulate_night,
    standard_target,
    truth_of,
)
from alfosc_reduce_simulate.detector import bias_structure

from alfosc_reduce import DataError, get_instrument, load, save

ALFOSC = get_instrument("alfosc")
HORIZONTAL, VERTICAL = Readout((951, 1070, 1, 2102), (1, 2)), Readout((1, 2148, 951, 1070), (2, 1))
QUIET = Detector(cosmic_rays=0.0, hot_columns=0, hot_pixels=0, response_scatter=0.0)
STAR = Target("TEST", 150.7, 28.0, (Source(power_law(3e-15)),), exposure=300.0, count=2, nod=5.0)


def small(**changes) -> Night:
    settings = {"readout": HORIZONTAL, "n_bias": 1, "n_flat": 1, "start": "2020-03-20T22:00:00", "seed": 3}
    return Night(**({"targets": (STAR,)} | settings | changes))


def test_the_classifier_sees_what_was_simulated(small_night):
    for row in small_night.truth.frames:
        image = ALFOSC.read(small_night.raw / str(row["file"]))
        assert image.meta["FRAMEKND"] == row["kind"]
        assert image.meta["EXPTIME"] == pytest.approx(row["exposure"].value)
        if row["kind"] in ("object", "standard"):
            assert image.meta["AIRMASS"] == pytest.approx(row["airmass"], abs=2e-4)
            expected = "Feige34" if row["kind"] == "standard" else row["target"]
            assert image.meta["OBJECT"] == expected


def test_headers_have_all_the_keywords_of_a_real_frame(testdata, small_night):
    from astropy.io import fits

    real = testdata / "alfosc-longslit" / "ALDc200205.fits.gz"
    for extension in (0, 1):
        theirs, ours = fits.getheader(real, extension), fits.getheader(small_night.files("object")[0], extension)
        assert set(theirs) - {"COMMENT"} <= set(ours)
        for keyword in (
            "NAXIS",
            "NAXIS1",
            "NAXIS2",
            "BZERO",
            "DETWIN1",
            "GAIN",
            "RDNOISE",
            "CCDSUM",
            "EXTNAME",
        ):
            assert ours.get(keyword) == theirs.get(keyword), keyword


def test_the_real_night_and_the_simulated_one_have_the_same_setup(testdata, small_night):
    real = ALFOSC.read(testdata / "alfosc-longslit" / "ALDc200205.fits.gz")
    ours = ALFOSC.read(small_night.files("object")[0])
    for keyword in ("BIASSEC", "TRIMSEC", "DETSEC", "DISPAXIS", "DISPSIGN", "GRISM", "SLIT", "FILTER", "SLITWID"):
        assert ours.meta[keyword] == real.meta[keyword]


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20])
@pytest.mark.parametrize(("slit", "readout"), [("Slit_1.3", HORIZONTAL), ("Vert_0.9", VERTICAL)])
def test_every_grism_gives_frames_of_both_orientations(tmp_path, number, slit, readout):
    night = small(grism=f"Grism_#{number}", slit=slit, readout=readout, filter="Open", lamps=("He", "Ne", "ThAr"))
    for exposure in exposures(night)[1:5]:
        frame = simulate_frame(night, exposure, ALFOSC)
        image = ALFOSC.read(frame.write(tmp_path / exposure.name))
        assert image.meta["FRAMEKND"] == exposure.kind
        assert image.meta["GRISM"] == ("Open" if exposure.kind == "bias" else night.grism)
        light = np.median(image.data[frame.spectrograph.readout.illuminated() > 0.99]) - frame.level
        assert light > (-250 if exposure.kind == "bias" else 20)
    assert f"{readout.binning[0]} {readout.binning[1]}" == image.meta["CCDSUM"]


def test_binning_gathers_the_same_light():
    def light(binning):
        night = small(readout=Readout((991, 1070, 601, 1000), binning), detector=QUIET)
        frame = simulate_frame(night, exposures(night)[0], ALFOSC)
        source = frame.sources[0]
        return np.median(source.electrons) / binning[1], np.mean(source.sky) / np.prod(binning)

    single = light((1, 1))
    for binning in ((2, 2), (1, 4), (4, 1)):
        assert light(binning) == pytest.approx(single, rel=0.01)


def test_the_same_seed_gives_the_same_frame_whatever_came_before():
    night = small()
    first, *_, last = exposures(night)
    again = simulate_frame(night, last, ALFOSC).data
    simulate_frame(night, first, ALFOSC)
    np.testing.assert_array_equal(simulate_frame(night, last, ALFOSC).data, again)
    other = small(seed=4)
    assert np.any(simulate_frame(other, exposures(other)[-1], ALFOSC).data != again)


def test_electrons_on_the_frame_are_those_of_the_truth():
    night = small(detector=QUIET)
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    bias = bias_structure(night.readout) + frame.level
    signal = (frame.data.astype(np.int64) - bias) * QUIET.gain
    oriented = frame.spectrograph.orient(signal)
    truth = truth_of(night, frame).of(frame.exposure.name)
    rows = np.abs(np.arange(oriented.shape[0]) - np.median(truth["trace"])) < 30
    sky = oriented[~rows].mean(axis=0)
    measured = (oriented[rows] - sky).sum(axis=0)
    lit = frame.spectrograph.orient(night.readout.illuminated())[0] > 0.99
    good = lit & (truth["wavelength"] > 4000) & (truth["wavelength"] < 6300)
    spread = rows.sum() * (1 + rows.sum() / (~rows).sum())
    variance = truth["electrons"] + spread * (truth["sky"] + QUIET.read_noise**2)
    pull = (measured - truth["electrons"])[good] / np.sqrt(variance[good])
    assert abs(pull.mean()) < 0.3
    assert pull.std() == pytest.approx(1, abs=0.15)


def test_flux_and_electrons_of_the_truth_agree():
    night = small(detector=QUIET, seeing=0.8)
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    source, spectrograph = frame.sources[0], frame.spectrograph
    wavelength = source.wavelength
    curve = np.interp(wavelength, *frame.conditions.extinction)
    air = 10 ** (-0.4 * frame.conditions.airmass * curve)
    photons = source.flux * wavelength / 1.98644586e-8 * 4.5e4 * 300 * air * source.throughput
    expected = photons * spectrograph.efficiency(wavelength) * np.gradient(wavelength)
    good = (wavelength > 4000) & (wavelength < 6800)
    np.testing.assert_allclose(source.electrons[good], expected[good], rtol=3e-3)


def test_image_of_a_source_adds_up_to_its_electrons_and_lies_on_its_trace():
    night = small(readout=Readout((851, 1250, 1, 2102), (1, 2)))
    source = simulate_frame(night, exposures(night)[1], ALFOSC).sources[0]
    bright = source.electrons > 1
    np.testing.assert_allclose(source.image.sum(axis=0)[bright], source.electrons[bright], rtol=1e-4)
    rows = np.arange(source.image.shape[0])[:, None]
    centre = (rows * source.image).sum(axis=0)[bright] / source.electrons[bright]
    np.testing.assert_allclose(centre, source.trace[bright], atol=0.02)


def test_flexure_moves_targets_and_not_arcs():
    still, moved = small(), small(flexure=(0.4, 0.2))
    target, arc = exposures(still)[0], exposures(still)[2]
    assert (target.kind, arc.kind) == ("object", "arc")
    before, after = (simulate_frame(night, target, ALFOSC).spectrograph.dispersion for night in (still, moved))
    line = before.wavelength(0.0)
    assert after.place(line) - before.place(line) == pytest.approx(0.4, abs=1e-3)
    assert simulate_frame(moved, arc, ALFOSC).spectrograph.dispersion == before


def test_cosmic_rays_are_as_many_as_asked_and_only_where_there_is_silicon():
    night = small(detector=Detector(cosmic_rays=2000.0), readout=Readout((1, 400, 1, 2102)))
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    assert not frame.cosmic_rays[:, :50].any()
    assert not frame.cosmic_rays[2064:].any()
    hit = np.count_nonzero(frame.cosmic_rays > 50)
    area = 350 * 2064 * 15e-4**2
    assert 2 < hit / (2000 * area * 360 / 3600) < 15


def test_a_standard_goes_through_extinction_and_slit():
    night = small(targets=(standard_target(ALFOSC, count=1),), seeing=0.8)
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    source = frame.sources[0]
    table = ALFOSC.standard(frame.primary).table
    expected = np.interp(source.wavelength, table["wavelength"].value, table["flux"].value)
    good = (source.wavelength > 5000) & (source.wavelength < 6400)
    assert np.median(source.flux[good] / expected[good]) == pytest.approx(1, abs=3e-3)
    assert 0.6 < np.median(source.throughput) < 0.9


def test_the_barycentric_velocity_moves_the_spectrum():
    night = small(targets=(Target("TEST", 250.0, -5.0, STAR.sources, 300.0),), start="2020-03-21T04:30:00")
    frame = simulate_frame(night, exposures(night)[0], ALFOSC)
    assert 15_000 < frame.conditions.velocity < 31_000


def test_truth_survives_the_file(tmp_path):
    night = small(n_bias=0, n_flat=0)
    truth = simulate_night(night, tmp_path / "raw")
    back = load(save(truth, tmp_path / "truth.fits"))
    np.testing.assert_array_equal(back.of("ALDc200001.fits")["electrons"], truth.of("ALDc200001.fits")["electrons"])
    assert back.first == 2101.5
    assert back.step == -2
    assert list(back.frames["kind"]) == ["object", "object", "arc"]
    with pytest.raises(KeyError, match="no source 3"):
        back.of("ALDc200001.fits", 3)


def test_an_unknown_grism_is_refused():
    night = small(grism="Grism_#99")
    with pytest.raises(DataError, match="Grism_#99"):
        simulate_frame(night, exposures(night)[0], ALFOSC)


def test_dates_run_from_evening_over_morning_to_the_next_afternoon(small_night):
    kinds = list(small_night.truth.frames["kind"])
    assert kinds == ["standard", "arc", "object", "object", "arc", *["flat"] * 3, *["bias"] * 5]
    times = [ALFOSC.read(small_night.raw / str(name)).meta["MJD-AVG"] for name in small_night.truth.frames["file"]]
    assert times == sorted(times)
    assert str(small_night.truth.frames["file"][-1]).startswith("ALDc21")


def test_the_telescope_nods_against_the_rows():
    night = small(targets=(Target("TEST", 150.0, 28.0, STAR.sources, 60.0, count=3, nod=15.0),))
    frames = [simulate_frame(night, one, ALFOSC) for one in exposures(night)[:3]]
    headers = [frame.primary for frame in frames]
    rows = [np.median(frame.sources[0].trace) for frame in frames]
    _, angle = ALFOSC.slit_on_sky(headers[0])
    for header, row in zip(headers[1:], rows[1:], strict=True):
        north = header["DEC"] - headers[0]["DEC"]
        east = (header["RA"] - headers[0]["RA"]) * np.cos(np.radians(28.0))
        moved = 3600 * (east * np.sin(np.radians(angle)) + north * np.cos(np.radians(angle)))
        assert moved == pytest.approx(-(row - rows[0]) * 0.2138, abs=0.2)
    assert [header["OBJRA"] for header in headers] == [10.0] * 3
