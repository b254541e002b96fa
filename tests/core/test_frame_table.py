"""The table of frames: written, edited by hand, read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.frame_table import COLUMNS, apply_edits, frame_table, read_edits, write_table
from alfosc_reduce.frames import Frame, Night, Rejected
from alfosc_reduce.instrument import KINDS, FrameInfo


def frame(path: Path, target: str = "M 1", kind: str = "object", time: float = 60000.0) -> Frame:
    where = {"target": target, "grism": "Grism_#4", "slit": "", "setup": "s"}
    return Frame(path, "toy", FrameInfo(kind, target, 10.0, time, where, remarks=("odd, 'very'", 'a "lamp"')))


def written(night: Night, folder: Path) -> Path:
    path = folder / "frames.ecsv"
    write_table(frame_table(night, folder), path)
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


names = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20).map(str.strip)
plain = names.filter(lambda n: n not in ("", ".", "..") and "/" not in n and not n.startswith("#"))


@given(st.lists(st.tuples(plain, names), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_round_trip_with_any_names(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    night = Night(tuple(frame(tmp_path / file, target) for file, target in rows))
    edits = read_edits(written(night, tmp_path))
    assert edits == {file: {"kind": "object", "object": target, "use": "yes"} for file, target in rows}


def test_table_says_what_a_person_needs(tmp_path: Path) -> None:
    night = Night(
        (frame(tmp_path / "raw/a b.fits"), frame(Path("/far/c.fits"), kind="unknown")),
        (Rejected(tmp_path / "notes.txt", "no FITS file (by its name)"),),
    )
    table = Table.read(written(night, tmp_path), format="ascii.ecsv")
    assert tuple(table.colnames) == COLUMNS
    assert list(table["file"]) == ["raw/a b.fits", "/far/c.fits", "notes.txt"]
    assert list(table["use"]) == ["yes", "no: kind not known", "no: no FITS file (by its name)"]
    assert table["date"][0] == "2023-02-25T00:00:00.0" and table["exptime"].unit == "s"
    assert table["remarks"][0] == "odd, 'very'; a \"lamp\""
    assert "To leave a frame out" in table.meta["comments"][0]


def test_empty_night_makes_an_empty_table(tmp_path: Path) -> None:
    assert read_edits(written(Night(()), tmp_path)) == {}


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tuple(frame(tmp_path / f"{name}.fits", time=60000.0 + i) for i, name in enumerate("abc")))


def edited(night: Night, folder: Path, *changes: tuple[str, str]) -> tuple[Night, list[str]]:
    path = written(night, folder)
    for old, new in changes:
        edit(path, old, new)
    return apply_edits(night, read_edits(path), folder)


@pytest.mark.parametrize(
    ("use", "reason"),
    [('"no: clouds"', "clouds"), ("no", "no reason given"), ("NO", "no reason given"), ('"No, wind"', "wind")],
)
def test_frame_of_no_use_is_left_out_with_its_reason(night: Night, tmp_path: Path, use: str, reason: str) -> None:
    path = written(night, tmp_path)
    lines = path.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("b.fits"))
    lines[row] = re.sub(r"\byes\b", use, lines[row])
    path.write_text("\n".join(lines) + "\n")
    kept, remarks = apply_edits(night, read_edits(path), tmp_path)
    assert [f.name for f in kept.frames] == ["a", "c"] and remarks == [f"b: left out ({reason})"]


@pytest.mark.parametrize("mark", ["#", "# ", "## ", " # "])
def test_commented_line_leaves_its_frame_out(night: Night, tmp_path: Path, mark: str) -> None:
    kept, remarks = edited(night, tmp_path, ("\nb.fits", f"\n{mark}b.fits"))
    assert [f.name for f in kept.frames] == ["a", "c"] and remarks == ["b: left out (commented out)"]


def test_first_and_all_lines_may_be_commented_and_comments_be_added(night: Night, tmp_path: Path) -> None:
    kept, _ = edited(night, tmp_path, ("\na.fits", "\n# clouds came\n#a.fits"))
    assert [f.name for f in kept.frames] == ["b", "c"]
    kept, _ = edited(night, tmp_path, *((f"\n{n}.fits", f"\n#{n}.fits") for n in "abc"))
    assert not kept.frames


def test_commented_line_with_a_quoted_name(tmp_path: Path) -> None:
    night = Night((frame(tmp_path / "a b.fits"), frame(tmp_path / "c.fits", time=60001.0)))
    kept, _ = edited(night, tmp_path, ('\n"a b.fits"', '\n# "a b.fits"'))
    assert [f.name for f in kept.frames] == ["c"]


def test_kind_and_object_are_corrected(night: Night, tmp_path: Path) -> None:
    kept, remarks = edited(night, tmp_path, ('a.fits object "M 1"', 'a.fits standard "HZ 44"'))
    assert kept.frames[0].info.kind == "standard" and kept.frames[0].coordinates["target"] == "HZ 44"
    assert kept.frames[1:] == tuple(f.__class__(f.path, f.instrument, f.info, 2) for f in night.frames[1:])
    assert not remarks


def test_frames_beyond_the_table_and_rows_beyond_the_frames_are_told(night: Night, tmp_path: Path) -> None:
    path = written(Night(night.frames[:2]), tmp_path)
    kept, remarks = apply_edits(Night(night.frames[1:]), read_edits(path), tmp_path)
    assert [f.name for f in kept.frames] == ["b", "c"]
    assert remarks == [
        "c: not in the table of frames; used as object",
        "a.fits: in the table of frames, but not among the files",
    ]


def test_blank_fields_are_no_mistake(night: Night, tmp_path: Path) -> None:
    kept, _ = edited(night, tmp_path, ('a.fits object "M 1" 10.0', 'a.fits object "" ""'))
    assert len(kept.frames) == 3 and kept.frames[0].info.object == ""


@pytest.mark.parametrize(
    "text", ["", "file kind\n1 2\n", "# %ECSV 1.0\n# ---\n# datatype: [\nfile\n", "not a table at all\x00"]
)
def test_broken_table_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "frames.ecsv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="not readable as a table"):
        read_edits(path)


def test_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make it with 'alfosc-reduce init'"):
        read_edits(tmp_path / "frames.ecsv")


def test_row_with_too_few_fields_is_told(night: Night, tmp_path: Path) -> None:
    path = written(night, tmp_path)
    path.write_text(path.read_text() + "d.fits object\n")
    with pytest.raises(ConfigurationError, match="not readable as a table"):
        read_edits(path)


def test_all_mistakes_in_the_table_at_once(night: Night, tmp_path: Path) -> None:
    path = written(night, tmp_path)
    edit(path, "a.fits object", "a.fits obejct")
    edit(path, " yes ", " perhaps ")
    with pytest.raises(ConfigurationError) as caught:
        read_edits(path)
    assert len(caught.value.problems) == 2
    assert "a.fits: there is no kind 'obejct'; did you mean 'object'?" in caught.value.problems[0]
    assert "a.fits: use = 'perhaps'; write 'yes', or 'no: why'" in caught.value.problems[1]


def test_every_kind_is_allowed(tmp_path: Path) -> None:
    night = Night(tuple(frame(tmp_path / f"{kind}.fits", kind=kind) for kind in KINDS))
    assert {row["kind"] for row in read_edits(written(night, tmp_path)).values()} == set(KINDS)


def test_a_file_that_the_table_counts_on_is_missed_when_it_is_no_frame_any_more(night: Night, tmp_path: Path) -> None:
    path = written(night, tmp_path)
    before, _, after = path.read_text(encoding="utf-8").partition("b.fits")
    path.write_text(before + "b.fits" + after.replace(" yes ", ' "no: clouds" ', 1), encoding="utf-8")
    gone = tuple(Rejected(tmp_path / f"{name}.fits", "truncated") for name in "abx")
    kept, _ = apply_edits(Night(night.frames[2:], gone), read_edits(path), tmp_path)
    assert [r.missed for r in kept.rejected] == [True, False, False]
