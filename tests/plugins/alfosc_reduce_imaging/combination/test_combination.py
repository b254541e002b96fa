"""Lists of frames, headers, and frames of strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.combination.combination import CombineImages
from alfosc_reduce_imaging.combination.stacking import _strips
from alfosc_reduce_imaging.registration.geometry import IDENTITY, similarity
from astropy.nddata import CCDData, StdDevUncertainty

from alfosc_reduce import DataError, load, save

PLACES = [IDENTITY, similarity(1, 0, (12.25, -7.5)), similarity(1, 0, (-5.5, 9.0))]
CARDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 75.0, "CRPIX1": 150.0,
         "CRPIX2": 140.0, "CD1_1": -5.9e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5.9e-5}  # fmt: skip


@pytest.fixture
def three(stars: Any) -> list[CCDData]:
    field = stars()
    return [
        field.frame(f"f{i}", place, seconds=t, **CARDS)
        for i, (place, t) in enumerate(zip(PLACES, (100.0, 200.0, 100.0), strict=True))
    ]


def test_the_header_tells_what_the_image_is(three: Any, filelist: Any) -> None:
    image = CombineImages()(three, filelist(three, PLACES, zero_point_offset=[0, 0, 0.5]))
    header = image.meta
    assert header["EXPTIME"] == 400 and header["EXPMEAN"] == pytest.approx(400 / 3) and header["NCOMBINE"] == 3
    assert [header[f"FR00{i}"] for i in (1, 2, 3)] == ["f0", "f1", "f2"] and "FR004" not in header
    assert header["FILENAME"] == "a_field_r" and header["AIRMASS"] == pytest.approx(1.2)
    assert 59000 + 100 / 86400 < header["MJD-AVG"] < 59000 + 200 / 86400
    assert "DETSEC" not in header and header["SEEING"] == pytest.approx(0.84)
    assert header["SATURATE"] == pytest.approx((1e5 - 30 * 200) / 200, rel=0.02)
    assert 0 < header["DEPTHGN"] < 1.3 and header["NOISECOR"] > 1


def test_gain_and_read_noise_describe_the_variance(three: Any, filelist: Any) -> None:
    image = CombineImages(method="mean", area="intersection")(three, filelist(three, PLACES))
    header = image.meta
    rate = header["SKYRATE"]
    expected = rate / header["GAIN"] + (header["RDNOISE"] / header["GAIN"]) ** 2
    blank = np.median(image.uncertainty.array) * header["NOISECOR"] ** 2
    assert blank == pytest.approx(expected, rel=0.03)


def test_the_sky_map_follows_the_grid(three: Any, filelist: Any) -> None:
    from alfosc_reduce.images import header_wcs

    before = header_wcs(three[0].meta)
    listed = filelist(three, PLACES)
    for area, x0, y0 in (("union", -6, -8), ("intersection", 13, 9)):
        image = CombineImages(area=area)(three, listed)
        after = header_wcs(image.meta)
        assert before is not None and after is not None
        np.testing.assert_allclose(
            after.all_pix2world(100 - x0, 90 - y0, 0), before.all_pix2world(100, 90, 0), atol=1e-9
        )


def test_another_frame_lends_its_sky_map(three: Any, filelist: Any) -> None:
    from alfosc_reduce.images import header_wcs

    before = header_wcs(three[1].meta)
    for key in CARDS:
        del three[0].meta[key]
    image = CombineImages()(three, filelist(three, PLACES))
    after = header_wcs(image.meta)
    assert before is not None and after is not None
    there = PLACES[1]([[50.0, 60.0]])[0] - [-6, -8]
    np.testing.assert_allclose(after.all_pix2world(*there, 0), before.all_pix2world(50, 60, 0), atol=1e-7)


def test_the_wcs_of_a_stranger_is_kept(three: Any, filelist: Any) -> None:
    from alfosc_reduce.images import header_wcs

    first = three[0]
    wcs = header_wcs(first.meta)
    strange = CCDData(first.data, unit="electron", wcs=wcs, meta={"FILENAME": "f0", "EXPTIME": 100.0})
    image = CombineImages()([strange], filelist([first], PLACES[:1]))
    after = header_wcs(image.meta)
    assert wcs is not None and after is not None
    np.testing.assert_allclose(after.all_pix2world(30, 40, 0), wcs.all_pix2world(30, 40, 0), atol=1e-9)


def test_one_frame_becomes_counts_a_second(stars: Any) -> None:
    frame = stars().frame("only", seconds=200.0, noise=False)
    image = CombineImages()([frame])
    assert str(image.unit) == "electron / s" and image.meta["NOISECOR"] == 1.0 and image.meta["NCOMBINE"] == 1
    np.testing.assert_allclose(image.data, (frame.data - 6000) / 200, atol=0.02)
    np.testing.assert_allclose(image.uncertainty.array, frame.uncertainty.array / 200**2, rtol=1e-5)


def test_without_a_list_the_stars_are_found_here(stars: Any, photometry: Any) -> None:
    field = stars(rate=20000.0)
    frames = [field.frame(f"f{i}", place, RA=150.0) for i, place in enumerate(PLACES)]
    image = CombineImages(area="intersection")(frames)
    assert image.meta["NCOMBINE"] == 3 and 278 <= min(image.shape) <= 286


def test_an_edited_list_is_obeyed(three: Any, filelist: Any, tmp_path: Path) -> None:
    listed = filelist(three, PLACES)
    edited = listed.copy()
    edited["use"] = ["yes", "no", "yes"]
    edited["weight"] = [1.0, 1.0, 3.0]
    edited.write(tmp_path / "filelist.ecsv")
    step = CombineImages(edited_filelist=tmp_path / "filelist.ecsv", method="mean")
    for given in (listed, None):
        image = step(three, given)
        assert [image.meta["FR001"], image.meta["FR002"]] == ["f0", "f2"] and image.meta["NCOMBINE"] == 2
        assert "weight 0.75" in image.meta.comments["FR002"]


def test_a_published_list_can_be_read_as_fits(three: Any, filelist: Any, tmp_path: Path) -> None:
    path = save(filelist(three, PLACES), tmp_path / "filelist.fits")
    assert CombineImages(edited_filelist=path)(three).meta["NCOMBINE"] == 3


def test_lists_that_do_not_fit_are_refused(three: Any, filelist: Any, tmp_path: Path) -> None:
    listed, path = filelist(three, PLACES), tmp_path / "filelist.ecsv"

    def refused(words: str, change: Any) -> None:
        edited = listed.copy()
        change(edited)
        edited.write(path, overwrite=True)
        with pytest.raises(DataError, match=words):
            CombineImages(edited_filelist=path)(three, listed)

    refused("no frame is called 'g1'", lambda t: t.replace_column("file", ["f0", "g1", "f2"]))
    refused("write True or False", lambda t: t.replace_column("use", ["maybe", "yes", "no"]))
    refused("none of the 3 frames", lambda t: t.replace_column("use", [False, False, False]))
    refused("has the columns file and use", lambda t: t.remove_column("use"))
    gone = CombineImages(edited_filelist=path)
    path.unlink()
    with pytest.raises(DataError, match="there is no such list"):
        gone(three, listed)
    path.write_text("nonsense")
    with pytest.raises(DataError, match="cannot be read as a list of frames"):
        CombineImages(edited_filelist=path)(three, listed)
    listed["use"][1], listed["reason"] = False, ["", "blank", ""]
    listed["xx"][1] = np.nan
    refused("nobody knows where it lies", lambda t: t.replace_column("use", [True, True, True]))


def test_frames_of_strangers(stars: Any, filelist: Any, photometry: Any, caplog: pytest.LogCaptureFixture) -> None:
    """ADU, no variance or another kind, no flags but a mask, hardly a header."""
    field = stars()
    frames = [field.frame(f"f{i}", place) for i, place in enumerate(PLACES)]
    strange = []
    for i, frame in enumerate(frames):
        mask = np.zeros(frame.shape, bool)
        mask[5, 5] = True
        error = StdDevUncertainty(np.sqrt(frame.uncertainty.array)) if i else None
        meta = {"FILENAME": f"f{i}", "EXPTIME": 100.0}
        strange.append(CCDData(frame.data.astype(">f8"), unit="adu", uncertainty=error, mask=mask, meta=meta))
    image = CombineImages(area="intersection")(strange, filelist(strange, PLACES))
    assert str(image.unit) == "adu / s" and "GAIN" not in image.meta and "SATURATE" not in image.meta
    assert "f0 has no variance" in caplog.text
    flux, _ = photometry(image, field.xy - [13, 9])
    assert np.abs(flux / field.rate - 1).max() < 0.02


def test_rates_stay_rates_and_times_are_asked_for(stars: Any, filelist: Any) -> None:
    frame = stars().frame("a", noise=False)
    del frame.meta["EXPTIME"]
    with pytest.raises(DataError, match="a has no exposure time"):
        CombineImages()([frame], filelist([frame], [IDENTITY]))
    rate = CCDData(frame.data / 100, unit="electron / s", meta=frame.meta.copy())
    image = CombineImages()([rate], filelist([rate], [IDENTITY]))
    assert str(image.unit) == "electron / s" and "EXPTIME" not in image.meta
    np.testing.assert_allclose(image.data, frame.data / 100 - 30, atol=0.01)
    with pytest.raises(DataError, match="different units"):
        frame.meta["EXPTIME"], frame.meta["FILENAME"] = 100.0, "b"
        CombineImages()([rate, frame], filelist([rate, frame], PLACES[:2]))


def test_frames_apart_have_no_intersection(three: Any, filelist: Any) -> None:
    places = [IDENTITY, similarity(1, 0, (900.0, 0.0)), IDENTITY]
    with pytest.raises(DataError, match="no area in common"):
        CombineImages(area="intersection")(three, filelist(three, places))
    assert CombineImages()(three, filelist(three, places)).shape == (300, 1200)


def test_an_image_that_is_not_in_the_list_is_left_out(
    three: Any, filelist: Any, caplog: pytest.LogCaptureFixture
) -> None:
    image = CombineImages()(three, filelist(three[:2], PLACES[:2]))
    assert image.meta["NCOMBINE"] == 2 and "f2 is left out" in caplog.text


@pytest.mark.parametrize("method", ["mean", "median", "clipped"])
def test_strips_leave_no_trace(three: Any, filelist: Any, method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = filelist(three, [IDENTITY, similarity(1, 0.4, (3.3, 2.2)), PLACES[2]])
    whole = CombineImages(method=method)(three, listed)
    for name in ("STRIP_BYTES", "FRAME_BYTES"):
        monkeypatch.setattr(f"alfosc_reduce_imaging.combination.stacking.{name}", 500)
    strips = CombineImages(method=method)(three, listed)
    np.testing.assert_array_equal(strips.flags, whole.flags)
    np.testing.assert_allclose(strips.data, whole.data, atol=2e-4)
    np.testing.assert_allclose(strips.uncertainty.array, whole.uncertainty.array, rtol=0.02)
    assert len(list(_strips(_grid(whole), 3))) > 5


def _grid(image: Any) -> Any:
    from alfosc_reduce_imaging.combination.grid import Grid

    return Grid(0, 0, image.shape[1], image.shape[0])


def test_products_on_disk_are_read_in_place(three: Any, filelist: Any, tmp_path: Path) -> None:
    from alfosc_reduce.labour import protect

    listed = filelist(three, PLACES)
    loaded = [load(save(frame, tmp_path / f"{i}.fits"), memmap=True) for i, frame in enumerate(three)]
    protect(loaded)
    np.testing.assert_array_equal(CombineImages()(loaded, listed).data, CombineImages()(three, listed).data)


def test_numbers_and_figures(three: Any, filelist: Any) -> None:
    inputs = {"images": three, "filelist": filelist(three, PLACES)}
    step = CombineImages()
    image = step(**inputs)
    numbers = step.quality(image, **inputs)
    assert numbers["frames"] == numbers["frames_combined"] == 3
    assert 0.97 < float(numbers["noise_over_expected"] or 0) < 1.03
    assert 0.34 < float(numbers["depth_gain_mag"] or 0) < 0.42
    assert [name for name, _ in step.figures(image, **inputs)] == ["combination"]
    assert [name for name, _ in step.figures(image, images=three)] == ["combination"]
