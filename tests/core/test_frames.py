"""Which files are frames, and why others are not."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.frames import Frame, Rejected, classify, find_files, observe, read_header, with_edits


@pytest.fixture
def frame(toys: SimpleNamespace, tmp_path: Path) -> Path:
    path: Path = toys.write_frame(tmp_path / "a.fits", "object", "M 1", 60000.0)
    return path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def rejected(path: Path, toys: SimpleNamespace) -> str:
    found = classify(path, [toys.instrument])
    assert isinstance(found, Rejected)
    return found.reason


def test_folder_stands_for_all_below_it_but_hidden_files_and_products(tmp_path: Path) -> None:
    for name in ("b.fits", "sub/a.fits", ".hidden.fits", "reduced/x.fits", ".alfosc-reduce/products/y.fits"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(find_files(["."], tmp_path)) == ["b.fits", "a.fits"]


def test_globs_files_and_folders_name_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("a.fits", "b.fits.gz", "c.txt"):
        (tmp_path / "raw" / name).touch()
    patterns = ["raw/b*", "raw/*.fits*", "raw/../raw/a.fits", str(tmp_path / "raw"), "nothing*"]
    assert names(find_files(patterns, tmp_path)) == ["b.fits.gz", "a.fits", "c.txt"]


def test_two_ways_to_a_folder_name_its_files_once(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.fits").touch()
    (tmp_path / "link").symlink_to("raw")
    assert find_files(["link", "raw"], tmp_path) == [tmp_path / "link/a.fits"]


def test_brackets_in_the_name_of_the_folder_are_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "night [2]"
    folder.mkdir()
    (folder / "a.fits").touch()
    assert names(find_files(["*.fits"], folder)) == ["a.fits"]


@pytest.mark.parametrize("ending", [".gz", ".bz2"])
def test_packed_file_reads_like_the_plain_one(frame: Path, ending: str) -> None:
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}[ending]
    packed = frame.with_name(frame.name + ending)
    packed.write_bytes(pack(frame.read_bytes()))
    assert read_header(packed) == read_header(frame)


@pytest.mark.parametrize("ending", [".gz", ".bz2"])
def test_plain_file_that_kept_the_name_of_a_packed_one_is_read(frame: Path, ending: str) -> None:
    renamed = frame.with_name(frame.name + ending)
    renamed.write_bytes(frame.read_bytes())
    assert read_header(renamed) == read_header(frame)


def test_tile_compressed_file_has_the_keywords_of_the_image(frame: Path, toys: SimpleNamespace) -> None:
    data, header = fits.getdata(frame, header=True)
    packed = frame.with_name("b.fits.fz")
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(data, header)]
    fits.HDUList(hdus).writeto(packed)
    found = read_header(packed)
    assert (found["NAXIS1"], found["NAXIS2"], found["OBJECT"]) == (6, 4, "M 1")
    assert isinstance(classify(packed, [toys.instrument]), Frame)


def test_extension_is_merged_over_the_primary_header(tmp_path: Path) -> None:
    first = fits.PrimaryHDU(header=fits.Header({"OBJECT": "M 1", "GAIN": 1.0}))
    fits.HDUList([first, fits.ImageHDU(np.zeros((4, 6)), fits.Header({"GAIN": 2.0}))]).writeto(tmp_path / "a.fits")
    header = read_header(tmp_path / "a.fits")
    assert (header["OBJECT"], header["GAIN"], header["NAXIS"], header["NAXIS1"]) == ("M 1", 2.0, 2, 6)
    assert list(header).count("GAIN") == 1


@pytest.mark.parametrize("length", [0, 3, 100, 2880, 2890])
def test_truncated_file_says_so(frame: Path, toys: SimpleNamespace, length: int) -> None:
    frame.write_bytes(frame.read_bytes()[:length])
    assert rejected(frame, toys).startswith("not readable as FITS, truncated or damaged")


def test_missing_padding_at_the_end_does_no_harm(frame: Path, toys: SimpleNamespace) -> None:
    frame.write_bytes(frame.read_bytes()[: 2880 + 4 * 6 * 2])
    assert isinstance(classify(frame, [toys.instrument]), Frame)


def test_truncated_packed_file_says_so(frame: Path, toys: SimpleNamespace) -> None:
    packed = frame.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(frame.read_bytes())[:60])
    assert "truncated or damaged" in rejected(packed, toys)


def test_text_is_no_frame(tmp_path: Path, toys: SimpleNamespace) -> None:
    for name, reason in {"a.txt": "by its name", "b.fits": "does not begin with SIMPLE"}.items():
        (tmp_path / name).write_text("the moon was up\n" * 1000)
        assert reason in rejected(tmp_path / name, toys)


def test_product_is_no_frame(frame: Path, toys: SimpleNamespace) -> None:
    fits.setval(frame, "PRODTYPE", value="CCDData")
    assert rejected(frame, toys) == "a product of a reduction, no raw frame"


def test_frame_of_another_instrument_is_named(frame: Path, toys: SimpleNamespace) -> None:
    fits.setval(frame, "INSTRUME", value="EFOSC")
    assert rejected(frame, toys) == "a frame of no installed instrument (INSTRUME = EFOSC; installed: toy)"


def test_missing_and_malformed_keywords_are_named(frame: Path, toys: SimpleNamespace) -> None:
    fits.setval(frame, "EXPTIME", value="ten")
    assert "its header cannot be understood (ValueError: could not convert" in rejected(frame, toys)
    fits.delval(frame, "IMTYPE")
    assert rejected(frame, toys) == "the keyword IMTYPE is missing; restore the header"


def test_vanished_file_is_rejected(tmp_path: Path, toys: SimpleNamespace) -> None:
    assert rejected(tmp_path / "a.fits", toys) == "file not found"


@pytest.mark.parametrize("pattern", [".", "*.fits", "lost.fits"])
def test_a_link_that_leads_nowhere_is_told(frame: Path, toys: SimpleNamespace, pattern: str) -> None:
    (frame.parent / "lost.fits").symlink_to("/nowhere/b.fits")
    (found,) = [path for path in find_files([pattern], frame.parent) if path.name == "lost.fits"]
    assert rejected(found, toys) == "a link to /nowhere/b.fits, which is not there"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_rejected(frame: Path, toys: SimpleNamespace) -> None:
    frame.chmod(0)
    assert "Permission denied" in rejected(frame, toys)


def test_frames_come_in_time_order_with_sequences(tmp_path: Path, toys: SimpleNamespace) -> None:
    for i, (kind, target) in enumerate([("arc", "A"), ("arc", "A"), ("object", "A"), ("arc", "A"), ("arc", "B")]):
        toys.write_frame(tmp_path / f"{9 - i}.fits", kind, target, 60000 + i)
    night = observe(find_files(["."], tmp_path), [toys.instrument])
    assert [(f.name, f.sequence) for f in night.frames] == [("9", 1), ("8", 1), ("7", 2), ("6", 3), ("5", 4)]
    assert night.frames[0].coordinates["frame"] == "9"


def test_copy_of_a_frame_is_left_out_and_named(frame: Path, toys: SimpleNamespace) -> None:
    frame.with_suffix(".fits.gz").write_bytes(gzip.compress(frame.read_bytes()))
    night = observe(find_files(["."], frame.parent), [toys.instrument])
    assert [f.path for f in night.frames] == [frame]
    assert [(r.path.name, r.reason) for r in night.rejected] == [("a.fits.gz", f"a copy of {frame}")]


def test_different_frames_of_one_name_are_refused(frame: Path, toys: SimpleNamespace) -> None:
    (frame.parent / "b").mkdir()
    toys.write_frame(frame.parent / "b/a.fits", "object", "M 1", 60001.0)
    with pytest.raises(ConfigurationError, match="two frames are named 'a'"):
        observe(find_files(["."], frame.parent), [toys.instrument])


def test_edits_change_kind_and_target(frame: Path, toys: SimpleNamespace) -> None:
    found = classify(frame, [toys.instrument])
    assert isinstance(found, Frame)
    edited = with_edits(found, {"kind": "standard", "object": "HZ 44"})
    assert edited.coordinates["kind"] == "standard" and edited.coordinates["target"] == "HZ 44"
    assert edited.info.object == "HZ 44" and with_edits(found, {}) == found
