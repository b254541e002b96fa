"""The story of a product, from the table inside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from alfosc_reduce import DataError
from alfosc_reduce.cli import program
from alfosc_reduce.explanation import ancestors_of, story

ROWS = [
    ("k1", "bias", "combine_bias", "alfosc-reduce", "0.1.0", {"clip": 5.0}, {"frames": []},
     [{"file": "/night/b1.fits", "content": "aa"}, {"file": "/night/b2.fits", "content": "bb"}]),
    ("k2", "flat of #4", "combine_flat", "alfosc-reduce", "0.1.0", {}, {}, []),
    ("k3", "corrected a", "correct_frame", "alfosc-stranger", "2.0", {"gain": "header"},
     {"bias": ["bias"], "flats": ["flat of #4", "gone"]}, [{"file": "/night/a.fits", "content": "cc"}]),
]  # fmt: skip
NAMES = ("key", "name", "step", "owner", "version", "parameters", "inputs", "files")


def product(path: Path, rows: list[tuple[object, ...]] = ROWS, names: tuple[str, ...] = NAMES) -> Path:
    texts = [[v if isinstance(v, str) else json.dumps(v) for v in row[: len(names)]] for row in rows]
    table = Table(rows=texts, names=names) if texts else Table(names=names, dtype=[str] * len(names))
    hdu = fits.table_to_hdu(table)
    hdu.name = "PROVENANCE"
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), hdu]).writeto(path)
    return path


def test_rows_come_back(tmp_path: Path) -> None:
    found = ancestors_of(product(tmp_path / "a.fits"))
    assert [a.key for a in found] == ["k1", "k2", "k3"]
    assert found[0].files == ["b1.fits", "b2.fits"]
    assert found[2].parameters == {"gain": "header"}
    assert found[2].inputs == {"bias": ["bias"], "flats": ["flat of #4", "gone"]}


def test_story_names_steps_owners_inputs_parameters_and_files(tmp_path: Path) -> None:
    told = story(product(tmp_path / "a_spec1d.fits"))
    assert told.startswith("a_spec1d.fits was made in 3 tasks:")
    assert "1. bias: combine_bias of alfosc-reduce 0.1.0" in told
    assert "raw frames: b1.fits, b2.fits" in told
    assert "bias: bias (number 1)" in told and "flats: flat of #4 (number 2), gone" in told
    assert 'with gain = "header"' in told and "correct_frame of alfosc-stranger 2.0" in told
    assert told.endswith("(key k3).")


def test_the_same_work_on_many_frames_is_told_once(tmp_path: Path) -> None:
    def row(key: str, name: str, step: str, inputs: dict[str, list[str]], **parameters: object) -> tuple[object, ...]:
        return (key, name, step, "a", "1", parameters, inputs, [] if inputs else [{"file": f"/x/{key}.fits"}])

    rows = [
        row("k1", "overscan[b1]", "subtract", {}), row("k2", "overscan[b2]", "subtract", {}),
        row("k3", "bias[full]", "combine", {"frames": ["overscan[b1]", "overscan[b2]"]}, clip=5.0),
        row("k4", "overscan[s]", "subtract", {}), row("k5", "overscan[t]", "subtract", {}, level=1),
        row("k6", "correct[s]", "correct", {"image": ["overscan[s]"], "bias": ["bias[full]"]}),
    ]  # fmt: skip
    told = story(product(tmp_path / "a.fits", rows))
    assert "1. overscan, 3 times: subtract of a 1\n   raw frames: k1.fits, k2.fits, k4.fits" in told
    assert "2. bias[full]: combine of a 1\n   frames: 2 of overscan (number 1)\n   with clip = 5.0" in told
    assert "3. overscan[t]: subtract of a 1\n   raw frames: k5.fits\n   with level = 1" in told
    assert "4. correct[s]: correct of a 1\n   image: overscan[s] (number 1)\n   bias: bias[full] (number 2)" in told


def test_command_tells_the_story(tmp_path: Path) -> None:
    result = CliRunner().invoke(program, ["explain", str(product(tmp_path / "a.fits"))], catch_exceptions=False)
    assert result.exit_code == 0 and "was made in 3 tasks" in result.output


def test_file_without_provenance(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "raw.fits", np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"raw\.fits: tells nothing of how it was made"):
        story(tmp_path / "raw.fits")


@pytest.mark.parametrize(
    ("rows", "names", "words"),
    [
        ([], NAMES, "damaged"),
        (ROWS, NAMES[:4], "missing version, parameters"),
        ([("k", "n", "s", "o", "v", "{broken", "{}", "[]")], NAMES, "damaged"),
    ],
    ids=["no rows", "columns missing", "not JSON"],
)
def test_damaged_provenance(tmp_path: Path, rows: list[tuple[object, ...]], names: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        ancestors_of(product(tmp_path / "a.fits", rows, names))


def test_files_that_are_no_fits(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_text("no FITS\n" * 900)
    with pytest.raises(DataError, match=r"cannot be read as FITS \([^()=]*\)$"):
        ancestors_of(tmp_path / "a.fits")
    with pytest.raises(DataError, match="cannot be read as FITS"):
        ancestors_of(tmp_path / "absent.fits")
