import numpy as np
import pytest
from alfosc_reduce_imaging.flats.flat import CombineImagingFlat
from alfosc_reduce_imaging.flats.illumination import coordinates, fit_surface, surface
from scipy.ndimage import uniform_filter

from alfosc_reduce import Flag
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, variance_of

STEP = CombineImagingFlat()
LEVELS = (60000.0, 45000.0, 30000.0, 20000.0, 12000.0)


def has(flat, flag):
    return (flags_of(flat) & int(flag)) != 0


def relative(flat, camera, *, even=True):
    """Return flat over truth where the flat says that it is good, NaN elsewhere; mean gradients cannot be known."""
    good = ~has(flat, Flag.OUTSIDE_FIELD | Flag.BAD_PIXEL | Flag.NO_FLAT)
    ratio = np.where(good, flat.data / camera.response, np.nan)
    ratio /= np.nanmedian(ratio)
    if even:
        v, u = (coordinates(np.arange(n), n) for n in ratio.shape)
        ratio /= surface(fit_surface(ratio), v, u)
    return ratio


def smoothed(ratio, size=8):
    """Return the mean of ratio less 1 over boxes that are mostly known."""
    known = np.isfinite(ratio)
    share = uniform_filter(known.astype(float), size)
    mean = uniform_filter(np.where(known, ratio - 1, 0), size) / np.maximum(share, 1e-9)
    return mean[share > 0.7]


@pytest.mark.parametrize(("number", "most"), [(5, 0.0035), (3, 0.006), (2, 0.009)])
def test_stars_leave_no_trace(twilight, number, most):
    camera = twilight()
    flat = STEP(camera.frames(LEVELS[:number]))
    away = smoothed(relative(flat, camera))
    noise = np.sqrt(np.median(variance_of(flat)[camera.field])) / 8
    assert 1.4826 * np.median(np.abs(away)) < 1.15 * noise
    # One star of 2 million electrons is 200 times the sky at its peak.
    assert np.abs(away).max() < most
    assert np.mean(has(flat, Flag.NO_FLAT)) < 0.01


def test_faint_wings_are_masked_with_their_star(twilight):
    camera = twilight(corner=None)
    there = [(5e6, 200.0, 180.0)]
    frames = [camera.frame("a", camera.light(30000.0, stars=there))]
    frames += [camera.frame(name, camera.light(30000.0)) for name in "bc"]
    ratio = relative(STEP(frames), camera)
    distance = np.hypot(camera.x - 200, camera.y - 180)
    for near, far in ((0, 15), (15, 30), (30, 45), (45, 60)):
        ring = ratio[(distance >= near) & (distance < far)]
        error = np.nanstd(ring) / np.sqrt(np.isfinite(ring).sum())
        assert abs(np.nanmean(ring) - 1) < max(4 * error, 4e-4), (near, far)


def test_variance_is_what_flats_scatter_by(twilight):
    camera = twilight()
    flat = STEP(camera.frames(LEVELS, stars=0))
    ratio = relative(flat, camera)
    pull = (ratio - 1) * flat.data / np.sqrt(np.where(variance_of(flat) > 0, variance_of(flat), np.nan))
    assert np.nanstd(pull) == pytest.approx(1, abs=0.02)
    assert np.nanmean(np.abs(pull) > 4.5) < 3e-5
    assert flat.meta["FLATCHI"] == pytest.approx(1, abs=0.03)


def test_gradients_of_the_twilight_do_not_reject_good_light(twilight):
    camera = twilight()
    slopes = ((0.08, 0.0), (-0.06, 0.02), (0.0, -0.05), (0.0, 0.03))
    frames = [camera.frame(f"f{i}", camera.light(40000.0, slope)) for i, slope in enumerate(slopes)]
    flat = STEP(frames)
    assert flat.meta["REJFRAC"] < 1e-4 and flat.meta["FLATCHI"] == pytest.approx(1, abs=0.03)
    assert flat.meta["FLATGRAD"] == pytest.approx(0.08, abs=0.02)
    expected = 1 + 0.5 * np.mean([s[0] for s in slopes]) * camera.u + 0.5 * np.mean([s[1] for s in slopes]) * camera.v
    left = relative(flat, camera, even=False) / expected
    assert np.nanstd(smoothed(left / np.nanmedian(left), 32)) < 6e-4


def test_median_is_one_inside_the_field_and_corners_are_outside(twilight):
    camera = twilight()
    flat = STEP(camera.frames(LEVELS[:3]))
    outside = has(flat, Flag.OUTSIDE_FIELD)
    good = ~has(flat, Flag.OUTSIDE_FIELD | Flag.BAD_PIXEL | Flag.NO_FLAT)
    assert np.median(flat.data[good]) == pytest.approx(1, abs=1e-4)
    assert outside[camera.response < 0.45].all() and not outside[40:-40, 40:-40].any()
    # A margin of some pixels is left out beside the edge.
    assert outside.mean() < (camera.response < 0.5).mean() + 0.05
    assert (flat.data > 0).all() and flat.unit == ""


def test_gentle_vignetting_stays_in_the_field(twilight):
    camera = twilight(corner=None)
    camera.response *= 1 - 0.33 * np.hypot(camera.u, camera.v) ** 2
    assert camera.response.min() < 0.4
    assert not has(STEP(camera.frames(LEVELS[:3])), Flag.OUTSIDE_FIELD).any()


def test_dust_stays_and_bad_pixels_are_flagged(twilight):
    camera = twilight(columns={50: 0.02, 111: 0.8})
    camera.response[200, 150] *= 0.3
    camera.response[210, 160] *= 1.6
    flat = STEP(camera.frames(LEVELS, stars=3))
    bad = has(flat, Flag.BAD_PIXEL)
    inside = ~has(flat, Flag.OUTSIDE_FIELD)
    assert bad[inside[:, 50], 50].all() and bad[inside[:, 111], 111].all()
    assert bad[200, 150] and bad[210, 160]
    expected = inside[:, 50].sum() + inside[:, 111].sum() + 2
    assert np.count_nonzero(bad & inside) == expected
    assert not has(flat, Flag.NO_FLAT | Flag.BAD_PIXEL)[80:100, 112:140].any()
    dust = np.nanmedian(relative(flat, camera)[76:80, 116:124])
    assert dust == pytest.approx(1, abs=0.002)


def test_a_column_that_loses_charge_is_no_matter_of_response(twilight):
    camera = twilight(corner=None)
    frames = []
    for number, level in enumerate(LEVELS):
        light = camera.light(level)
        light[100:, 222] = np.maximum(light[100:, 222] - 600, 0)
        frames.append(camera.frame(f"f{number}", light))
    bad = has(STEP(frames), Flag.BAD_PIXEL)
    assert bad[130:, 222].all() and np.count_nonzero(bad[:, :222]) + np.count_nonzero(bad[:, 223:]) == 0


def test_frames_too_faint_or_saturated_are_left_out_with_a_word(twilight, caplog):
    camera = twilight()
    frames = camera.frames((30000.0, 28000.0, 26000.0), stars=3)
    faint = camera.frame("faint", camera.light(100.0))
    full = camera.frame("full", camera.light(90000.0))
    full.flags[:, ::3] = int(Flag.SATURATED)
    flat = STEP([*frames, faint, full])
    assert "faint has a level of 9" in caplog.text and "full is saturated in 3" in caplog.text
    assert flat.meta["NCOMBINE"] == 3 and flat.meta["NLEFTOUT"] == 2
    with pytest.raises(DataError, match="none of the 2 frames can be used"):
        STEP([faint, full])


def test_one_frame_works_with_a_warning_and_its_stars_masked(twilight, caplog):
    camera = twilight()
    frame = camera.frame("only", camera.light(40000.0, stars=[(3e5, 150.0, 200.0), (1e6, 280.0, 120.0)]))
    flat = STEP([frame])
    assert "only one frame (only)" in caplog.text
    assert has(flat, Flag.NO_FLAT)[195:206, 145:156].all()
    assert flat.data[200, 150] == pytest.approx(np.median(flat.data[180:220, 130:140]), rel=0.02)
    assert np.abs(smoothed(relative(flat, camera), 16)).max() < 0.012
    assert STEP.quality(flat, frames=[frame])["scatter_over_expected"] is None


def test_a_star_on_the_same_pixels_in_all_frames_but_one_is_seen(twilight):
    camera = twilight(corner=None)
    stars = [[(4e5, 100.0, 100.0)], [(4e5, 100.0, 100.0)], []]
    frames = [camera.frame(f"f{i}", camera.light(30000.0, stars=star)) for i, star in enumerate(stars)]
    ratio = relative(STEP(frames), camera)
    assert np.nanmax(np.abs(smoothed(ratio)), initial=0) < 0.02


def test_filters_and_read_outs_are_not_mixed(twilight):
    camera = twilight()
    frames = camera.frames(LEVELS[:2], stars=0)
    frames[1].meta["FILTER"] = "R"
    with pytest.raises(DataError, match="several filters"):
        STEP(frames)


def test_a_stranger_without_variance_or_header_gets_a_flat(twilight, caplog):
    from astropy import units as u
    from astropy.nddata import CCDData

    camera = twilight()
    frames = [CCDData(np.asarray(f.data), unit=u.adu) for f in camera.frames(LEVELS[:3])]
    flat = STEP(frames)
    assert STEP.quality(flat, frames=frames)["frames"] == 3
    ratio = relative(flat, camera)
    assert np.nanstd(smoothed(ratio)) < 2.5e-3 and "no variance" in caplog.text
    pull = (ratio - 1) / np.sqrt(np.where(variance_of(flat) > 0, variance_of(flat), np.nan))
    assert np.nanstd(pull) == pytest.approx(1, abs=0.05)


def test_numbers_and_figures(twilight):
    camera = twilight(columns={50: 0.02})
    frames = camera.frames(LEVELS)
    flat = STEP(frames)
    numbers = STEP.quality(flat, frames=frames)
    assert numbers["frames"] == 5 and numbers["bad_columns"] == 1
    assert numbers["field_fraction"] == pytest.approx((camera.response > 0.5).mean(), abs=0.05)
    assert 0.002 < numbers["median_error"] < 0.003 and 0 < numbers["star_fraction"] < 0.1
    assert [name for name, _ in STEP.figures(flat, frames=frames)] == ["flat", "frames"]
