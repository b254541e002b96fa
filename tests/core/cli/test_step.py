"""One step alone, from files to files, with options made from the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from alfosc_reduce import ConfigurationError, DataError, Instrument, Step, load, registry, save
from alfosc_reduce.cli.step import command_of
from alfosc_reduce.cli.step_inputs import parse_parameters
from alfosc_reduce.images import make_image
from alfosc_reduce.instrument import FrameInfo
from alfosc_reduce.parameters import Pixels


class Scale(Step):
    """Multiply an image.

    Twice as much is twice as good.
    """

    factor: float = 2.0
    """By what."""
    margin: Pixels = 1 * u.pix
    """Left alone at the edge."""
    span: tuple[int, int] | None = None
    """Columns to multiply; all if none."""
    use_mask: bool = True
    """Whether the mask counts."""

    def __call__(self, image: CCDData, table: QTable | None = None) -> CCDData:
        extra = 0 if table is None else float(np.sum(table["x"]))
        return make_image(image.data * self.factor + extra, unit=str(image.unit), header=image.meta)

    def figures(self, result: Any, **inputs: Any) -> Any:
        yield "scaled", Figure(figsize=(1, 1))

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"mean": float(np.mean(result.data)), "object": "star"}


class Parts(NamedTuple):
    image: CCDData
    sky: CCDData


class Split(Step):
    """Make two of one."""

    def __call__(self, image: CCDData) -> Parts:
        return Parts(image, image)


class Sum(Step):
    """Add images up."""

    def __call__(self, frames: list[CCDData], bias: CCDData | None = None) -> CCDData:
        total = sum(frame.data for frame in frames) - (0 if bias is None else bias.data)
        return make_image(total, unit="adu", header=frames[0].meta)


class Ask(Step):
    """Ask the instrument."""

    def __call__(self, image: CCDData, instrument: Instrument) -> CCDData:
        return make_image(image.data, unit="adu", header=fits.Header({"ASKED": instrument.name}))


class Twice(Step):
    """Use a name twice."""

    image: float = 1.0
    """A parameter."""

    def __call__(self, image: CCDData) -> CCDData:
        return image


class Camera(Instrument):
    """A camera of tests."""

    name = "camera"

    def recognises(self, header: fits.Header) -> bool:
        return header.get("INSTRUME") == "CAMERA_1"

    def describe(self, header: fits.Header) -> FrameInfo:
        raise DataError("nobody asks here")

    def read(self, path: Path) -> CCDData:
        return make_image(fits.getdata(path) + 0.5, unit="adu", header=fits.Header({"INSTRUME": "camera"}))


@pytest.fixture(autouse=True)
def _camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "plugins", lambda group: {"camera": None, "broken": None})

    def get(name: str) -> Instrument:
        if name != "camera":
            raise ConfigurationError(f"there is no instrument {name!r}")
        return Camera()

    monkeypatch.setattr(registry, "get_instrument", get)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    header = fits.Header({"OBJECT": "star", "INSTRUME": "camera"})
    return save(make_image(np.ones((3, 4)), unit="adu", header=header), tmp_path / "image.fits")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    fits.writeto(tmp_path / "raw.fits", np.ones((3, 4)), fits.Header({"INSTRUME": "CAMERA_1"}))
    return tmp_path / "raw.fits"


def run(step: type[Step], *words: object) -> Result:
    return CliRunner().invoke(command_of("it", step), [str(word) for word in words], catch_exceptions=False)


def test_help_is_the_steps_own_documentation() -> None:
    told = " ".join(run(Scale, "--help").output.split())
    for words in (
        "Multiply an image. Twice as much is twice as good.",
        "--factor VALUE By what. (number) [default: 2.0]",
        '--margin VALUE Left alone at the edge. (quantity in pix) [default: "1.0 pix"]',
        "Columns to multiply; all if none. ([integer, integer] or none)",
        "--use-mask VALUE", "(true or false) [default: true]",
        "--image FILE", "--table FILE", "table: QTable (optional)",
    ):  # fmt: skip
        assert words in told, words


def test_default_parameters(image: Path, tmp_path: Path) -> None:
    done = run(Scale, image, "-o", tmp_path / "out.fits")
    assert done.exit_code == 0 and np.all(load(tmp_path / "out.fits").data == 2)
    assert done.output.splitlines() == [f"wrote {tmp_path / 'out.fits'}", "mean = 2", "object = star"]


def test_parameters_of_every_kind(image: Path, tmp_path: Path) -> None:
    words = ["--factor", "5", "--margin", "3 pix", "--span", "[1, 3]", "--use-mask", "false"]
    run(Scale, image, "-o", tmp_path / "out.fits", *words)
    assert np.all(load(tmp_path / "out.fits").data == 5)
    run(Scale, image, "-o", tmp_path / "out2.fits", "--span", "none", "--use_mask", "true")
    assert np.all(load(tmp_path / "out2.fits").data == 2)


@pytest.mark.parametrize("words", [["--span", "-1", "+3"], ["--span", "-1 3"], ["--span=[-1, 3]"]])
def test_a_value_of_several_parts_may_be_given_as_words(
    words: list[str], image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = []
    monkeypatch.setattr(Scale, "quality", lambda step, result, **inputs: spans.append(step.span) or {})
    assert run(Scale, *words, image, "-o", tmp_path / "out.fits").exit_code == 0
    assert spans == [(-1, 3)]


def test_too_few_parts_take_no_other_words(image: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--span"):
        run(Scale, image, "--span", "4", "-o", tmp_path / "out.fits")


def test_all_wrong_parameters_are_told_at_once(image: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        run(
            Scale, image, "-o", tmp_path / "out.fits", "--factor", "much", "--margin", "3 arcsec", "--span", "[1, 2, 3]"
        )
    told = "\n".join(error.value.problems)
    assert "--factor: " in told and "'much'" in told
    assert "--margin: " in told and "not in pix" in told and "--span: " in told
    assert not (tmp_path / "out.fits").exists()


def test_inputs_by_name_and_by_order_are_the_same(image: Path, tmp_path: Path) -> None:
    table = save(QTable({"x": [1.0, 2.0]}), tmp_path / "table.fits")
    for i, words in enumerate([(image, table), ("--table", table, image), ("--image", image, "--table", table)]):
        run(Scale, *words, "-o", tmp_path / f"{i}.fits")
        assert np.all(load(tmp_path / f"{i}.fits").data == 5)


def test_a_list_takes_all_remaining_files(image: Path, tmp_path: Path) -> None:
    run(Sum, image, image, image, "-o", tmp_path / "a.fits")
    assert np.all(load(tmp_path / "a.fits").data == 3)
    run(Sum, image, image, "--bias", image, "-o", tmp_path / "b.fits")
    assert np.all(load(tmp_path / "b.fits").data == 1)


def test_several_outputs_are_several_files(image: Path, tmp_path: Path) -> None:
    done = run(Split, image, "-o", tmp_path / "a.fits")
    assert (tmp_path / "a_image.fits").exists() and (tmp_path / "a_sky.fits").exists()
    assert not (tmp_path / "a.fits").exists() and done.output.count("wrote") == 2


def test_raw_frames_are_read_by_their_instrument(raw: Path, tmp_path: Path) -> None:
    run(Sum, raw, raw, "-o", tmp_path / "a.fits")
    assert np.all(load(tmp_path / "a.fits").data == 3)


@pytest.mark.parametrize("which", ["raw", "image"])
def test_instrument_is_recognised(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run(Ask, request.getfixturevalue(which), "-o", tmp_path / "a.fits")
    assert load(tmp_path / "a.fits").meta["ASKED"] == "camera"


def test_instrument_that_nothing_names(tmp_path: Path) -> None:
    plain = save(make_image(np.ones((2, 2)), unit="adu", header=fits.Header()), tmp_path / "plain.fits")
    with pytest.raises(ConfigurationError, match="name it"):
        run(Ask, plain, "-o", tmp_path / "a.fits")
    run(Ask, plain, "-o", tmp_path / "a.fits", "--instrument", "camera")
    assert load(tmp_path / "a.fits").meta["ASKED"] == "camera"


def test_nothing_is_overwritten_unasked(image: Path, tmp_path: Path) -> None:
    (tmp_path / "a_sky.fits").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"a_sky.fits exists; give another name, or --overwrite"):
        run(Split, image, "-o", tmp_path / "a.fits")
    assert (tmp_path / "a_sky.fits").read_text() == "mine" and not (tmp_path / "a_image.fits").exists()
    run(Split, image, "-o", tmp_path / "a.fits", "--overwrite")
    assert load(tmp_path / "a_sky.fits").shape == (3, 4)


def test_figures(image: Path, tmp_path: Path) -> None:
    done = run(Scale, image, "-o", tmp_path / "out.fits", "--figures", tmp_path / "some" / "figures")
    assert (tmp_path / "some" / "figures" / "scaled.png").read_bytes().startswith(b"\x89PNG")
    assert "drew" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no file for the input image: CCDData"),
        (["{image}", "{image}", "{image}"], "files left over"),
        (["{table}"], "holds a QTable, but the input is image: CCDData"),
        (["{text}"], "no FITS file"),
        (["{absent}"], "file not found"),
        (["{image}", "--table", "{other}"], "cannot be read as a table"),
        (["{other}", "--instrument", "camera"], "not a raw frame of camera"),
        (["{image}", "--instrument", "nobody"], "there is no instrument 'nobody'"),
    ],
)
def test_wrong_files(words: list[str], message: str, image: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no FITS")
    fits.writeto(tmp_path / "other.fits", np.ones((2, 2)))
    places = {
        "image": image, "table": save(QTable({"x": [1.0]}), tmp_path / "t.fits"), "text": tmp_path / "a.txt",
        "absent": tmp_path / "absent.fits", "other": tmp_path / "other.fits",
    }  # fmt: skip
    with pytest.raises((ConfigurationError, DataError), match=message):
        run(Scale, *(word.format(**places) for word in words), "-o", tmp_path / "out.fits")


def test_an_image_of_any_camera_is_taken(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "other.fits", np.full((2, 2), 3.0), fits.Header({"INSTRUME": "unheard of"}))
    run(Scale, tmp_path / "other.fits", "-o", tmp_path / "out.fits")
    assert np.array_equal(load(tmp_path / "out.fits").data, np.full((2, 2), 6.0))


def test_a_table_may_come_and_go_as_text(image: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1.0\n2.0\n")
    run(Scale, image, "--table", tmp_path / "t.csv", "-o", tmp_path / "out.fits")
    assert np.array_equal(load(tmp_path / "out.fits").data, load(image).data * 2 + 3)


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="uses the name 'image' twice"):
        command_of("it", Twice)


def test_output_must_be_named(image: Path) -> None:
    done = run(Scale, image)
    assert done.exit_code == 2 and "--output" in done.output


class Places(Step):
    """Takes places as text."""

    places: tuple[str, ...] = ()
    """Where."""

    def __call__(self, image: CCDData) -> CCDData:
        return image


@pytest.mark.parametrize("text", ["SN: 160.001 28.001", "160.02 28.01", '["160.02 28.01"]'])
def test_a_single_text_is_a_list_of_one(text: str) -> None:
    assert parse_parameters(Places, {"places": text}).places == (text.strip('[]"'),)  # type: ignore[attr-defined]
