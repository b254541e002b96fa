"""Bad input through the command line, on a small simulated night: each with a clear word, and nothing else lost."""

from __future__ import annotations

import fcntl
import gzip
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alfosc_reduce import Flag, load, registry

Spoil = Callable[..., None]


def singles(night: Any) -> set[str]:
    """Frames with a published spectrum."""
    return {name.removesuffix("_spec1d.fits") for name in night.spectra() if name.startswith("ALDc")}


def all_of(night: Any) -> set[str]:
    return {*night.names("standard"), *night.names("object")}


def spectra_of(night: Any, frame: str) -> Any:
    return load(next((night.folder / "reduced").rglob(f"{frame}_spec1d.fits")))


def zero(data: Any) -> Any:
    return np.zeros_like(data)


def nan(data: Any) -> Any:
    return np.full(data.shape, np.nan, np.float32)


def nan_patch(data: Any) -> Any:
    data = data.astype(np.float32)
    data[500:520, 20:60] = np.nan
    return data


def test_sound_night_loses_nothing_and_does_nothing_twice(night: Any) -> None:
    ended = night.run()
    assert ended.code == 0 and singles(night) == all_of(night)
    assert not ended.which("failed") | ended.which("skipped") and "warning" not in ended.said


# -- Files ------------------------------------------------------------------------------------------------------------


def test_folder_without_fits(night: Any) -> None:
    shutil.rmtree(night.folder / "raw")
    (night.folder / "raw").mkdir()
    (night.folder / "raw/notes.txt").write_text("clouds")
    ended = night.init()
    assert ended.code == 2
    assert f"there are no frames in {night.folder}/raw" in ended.said
    assert "notes.txt: no FITS file (by its name)" in ended.said
    again = night.run()
    assert again.code == 2 and "there are no frames in raw" in again.said and not (night.folder / "reduced").exists()


def test_truncated_files(night: Any) -> None:
    whole, packed = night.files("object")
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    ended = night.run()
    sentence = f"no frame: {whole.name}: not readable as FITS, truncated or damaged ("
    assert sentence in ended.said and "bytes are missing at its end)" in ended.said, "the table counts on this file"
    packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(packed.read_bytes())[:-50_000])
    packed.unlink()
    assert f"{whole.name}: no frame: not readable as FITS" in night.init().said
    ended = night.run()
    assert ended.code == 1 and f"{whole.name}: no frame: not readable as FITS" in ended.log
    assert ended.which("failed") == {f"overscan[{packed.stem}]"}, "within packed pixels it shows when they are read"
    assert f"{packed.name}.gz" in ended.message(f"overscan[{packed.stem}]") and singles(night) == set(
        night.names("standard")
    )


KEYWORDS: list[tuple[dict[str, Any], str]] = [
    ({"EXPTIME": None}, "keyword EXPTIME is missing; add it, or leave the frame out"),
    ({"EXPTIME": "long"}, "keyword EXPTIME = 'long' is no number; correct it"),
    ({"DETXBIN": None}, "keyword DETXBIN is missing; add it, or leave the frame out"),
    ({"DETYBIN": 0}, "keyword DETYBIN = 0 is no binning; correct it"),
    ({"DETWIN1": "[931:1090"}, "keyword DETWIN1 = '[931:1090' is no window [x1:x2, y1:y2]; correct it"),
    ({"DATE-AVG": "20 March"}, "keyword DATE-AVG = '20 March' is no ISO date; correct it"),
    ({"GAIN": "low"}, "keyword GAIN = 'low' is no number; correct it"),
    ({"INSTRUME": "EMMI"}, "a frame of no installed instrument (INSTRUME = EMMI; installed: alfosc"),
]


def test_missing_and_malformed_keywords(night: Any, spoil: Spoil) -> None:
    victims = [path for kind in ("bias", "flat", "standard", "object") for path in night.files(kind)][: len(KEYWORDS)]
    for path, (cards, _) in zip(victims, KEYWORDS, strict=True):
        spoil(path, **cards)
    said = night.init().said
    ended = night.run("--only", "overscan")
    assert ended.code == 0 and len(ended.tasks) == 13 - len(KEYWORDS), "every other frame is used"
    for path, (_, sentence) in zip(victims, KEYWORDS, strict=True):
        for text in (said, ended.log, *([] if "INSTRUME" in cards else [ended.said])):
            lines = [line for line in text.splitlines() if "no frame: " in line and sentence in line]
            assert [line.count(path.name) for line in lines] == [1], "also on the terminal, and named once"


def test_keyword_that_the_pixels_contradict(night: Any, spoil: Spoil) -> None:
    path = night.files("object")[0]
    spoil(path, DETWIN1="[951:1090, 1:2102]")
    night.init()
    ended = night.run()
    assert ended.code == 1 and singles(night) == all_of(night) - {path.stem}
    assert f"{path.name}: 160 x 1051 pixels, but the window [951:1090,1:2102] binned 1x2 has 140 x 1051" in ended.said
    assert "correct DETWIN1, DETXBIN, DETYBIN" in ended.said


# -- Frames that do not belong together -------------------------------------------------------------------------------


def test_frames_of_another_window_binning_and_gain(night: Any, spoil: Spoil) -> None:
    (window, binning), gain = night.files("object"), night.files("standard")[0]
    spoil(window, lambda data: data[:, 40:], DETWIN1="[971:1090, 1:2102]")
    spoil(binning, lambda data: data[: len(data) // 2 * 2].reshape(-1, 2, 160).mean(1).astype(np.int64), DETYBIN=4)
    spoil(gain, GAIN=0.33)
    night.init()
    ended = night.run()
    assert ended.code == 1 and singles(night) == {night.names("standard")[1]}
    for path, readout in (
        (window, "[971:1090,1:2102] 1x2 200"), (binning, "[931:1090,1:2102] 1x4 200"),
        (gain, "[931:1090,1:2102] 1x2 200 gain 0.33"),
    ):  # fmt: skip
        sentence = f"no wavelengths matches readout={readout} grism=Grism_#4 (there are: "
        assert any(sentence in reason for name, reason in ended.cannot.items() if path.stem in name)
        assert f"warning: correct[{path.stem}]: bias: no bias matches readout={readout} (there are: " in ended.said


def test_biases_of_two_gains_are_not_mixed(night: Any, spoil: Spoil) -> None:
    spoil(night.files("bias")[0], GAIN=0.33)
    night.init()
    ended = night.run("--only", "correct")
    assert ended.code == 0
    biases = sorted((night.folder / "reduced/calib").glob("bias_*.fits"))
    assert [load(path).meta["NCOMBINE"] for path in biases] == [3]


# -- Calibrations that are missing ------------------------------------------------------------------------------------


def test_no_bias(night: Any) -> None:
    for path in night.files("bias"):
        path.unlink()
    night.init()
    ended = night.run("--only", "flatfield")
    assert ended.code == 0 and len([name for name in ended.tasks if name.startswith("flatfield")]) == 4
    assert "bias: no bias matches " in ended.said and "(there is none in this night); goes on without" in ended.said
    assert "no master bias; only the overscan is subtracted, its structure stays." in ended.log


def test_no_flat(night: Any) -> None:
    for path in night.files("flat"):
        path.unlink()
    night.init()
    ended = night.run("--only", "flatfield")
    assert ended.code == 0
    assert "flat: no flat matches readout=[931:1090,1:2102] 1x2 200 grism=Grism_#4 (there is none in" in ended.said
    assert "no flat; the response of the pixels stays in it." in ended.log
    assert "the gain cannot be measured without two flats of one setup; the header's is used." in ended.log


@pytest.mark.parametrize("there", ["there is none in this night", "there are: [931:1090,1:2102] 1x2 200 Grism_#5 (2)"])
def test_no_arc_of_the_grism(night: Any, spoil: Spoil, there: str) -> None:
    for path in night.files("arc"):
        if "#5" in there:
            spoil(path, ALGRNM="Grism_#5")
        else:
            path.unlink()
    night.init()
    ended = night.run("--only", "cosmics", "--only", "sky")
    assert ended.code == 1 and len([name for name in ended.tasks if name.startswith("cosmics")]) == 4
    sentence = f"no wavelengths matches readout=[931:1090,1:2102] 1x2 200 grism=Grism_#4 ({there}); it is made of "
    sentence += "frames of kind arc: add such frames"
    assert ended.said.count(sentence) == 1, "told once for all frames"
    assert {f"sky[{frame}]" for frame in all_of(night)} <= set(ended.cannot)


def test_no_arc_at_the_target(night: Any) -> None:
    night.files("arc")[1].unlink()
    night.init()
    ended = night.run("--only", "sky")
    assert ended.code == 0
    section = ended.log.partition("== TEST1002")[2]
    assert "Feige34 2] (same slit and filter, " in section and "min before)" in section


def test_no_standard(night: Any) -> None:
    for path in night.files("standard"):
        path.unlink()
    night.init()
    ended = night.run()
    assert ended.code == 0 and singles(night) == set(night.names("object"))
    assert "response: no response matches grism=Grism_#4 (there is none in this night); goes on without" in ended.said
    assert "no response was measured, so the spectra stay in electrons." in ended.log
    for spectrum in load(next((night.folder / "reduced").rglob("TEST1002+2801_*_spec1d.fits"))):
        assert spectrum.flux.unit == "electron"


def test_standard_that_no_table_knows(night: Any, spoil: Spoil) -> None:
    star, other = night.files("standard")
    other.unlink()
    spoil(star, OBJECT="BD+99 1", TCSTGT="BD+99 1", RA=10.0, DEC=5.0, OBJRA=0.667, OBJDEC=5.0)
    night.init()
    table = night.folder / "frames.ecsv"
    table.write_text(table.read_text().replace(f"{star.name} object", f"{star.name} standard"))
    ended = night.run()
    assert ended.code == 1 and ended.which("failed") == {"response"}
    assert "'BD+99 1' is no standard star here" in ended.said and "correct the columns object and kind" in ended.said
    assert singles(night) == all_of(night) - {other.stem}
    assert spectra_of(night, night.names("object")[0])[0].flux.unit == "electron"


# -- Pixels -----------------------------------------------------------------------------------------------------------


def test_saturated_arc(night: Any, spoil: Spoil) -> None:
    arc = night.files("arc")[1]
    spoil(arc, lambda data: np.where(data > 12_500, 880_000, data).astype(np.uint32))
    ended = night.run()
    assert ended.code == 1 and singles(night) == {*night.names("standard"), *night.names("object")}
    assert "is taken instead" in ended.said, "the arc of another pointing, and the sky lines, tell the wavelengths"
    assert ended.which("failed") == {"wavelengths"}
    assert f"arc {arc.name}: only " in ended.said and "too few to identify" in ended.said
    assert "is the exposure saturated all over?" in ended.said


def test_arcs_of_zeros_and_with_nan(night: Any, spoil: Spoil) -> None:
    first, second = night.files("arc")
    spoil(first, zero)
    spoil(second, nan_patch)
    ended = night.run("--only", "wavelengths")
    assert ended.code == 1 and ended.which("failed") == {f"overscan[{first.stem}]"}
    assert f"{first.name}: all pixels are zero; the read-out failed, leave the frame out" in ended.said
    assert "what needs them was not done: correct, arcs, wavelengths (3, see log.txt)" in ended.said
    found = next(t for name, t in ended.tasks.items() if name.startswith("wavelengths") and t["state"] == "done")
    assert found["quality"]["n_lines"] >= 30 and found["quality"]["rms_px"] < 0.09


def test_a_bad_frame_of_every_kind_in_one_night(night: Any, spoil: Spoil, reduced_night: Path) -> None:
    bias, flat, target, star = (night.files(kind) for kind in ("bias", "flat", "object", "standard"))
    for path, edit in ((bias[0], zero), (bias[1], nan_patch), (flat[0], zero), (flat[1], nan_patch),
                       (target[0], zero), (target[1], nan_patch), (star[0], nan)):  # fmt: skip
        spoil(path, edit)
    ended = night.run()
    assert ended.code == 1
    lost = {f"overscan[{path.stem}]" for path in (bias[0], flat[0], target[0], star[0])}
    assert ended.which("failed") == lost, ended.said
    for path in (bias[0], flat[0], target[0]):
        assert f"{path.name}: all pixels are zero; the read-out failed, leave the frame out" in ended.said
    assert f"{star[0].name}: " in ended.message(f"overscan[{star[0].stem}]")
    assert singles(night) == {target[1].stem, star[1].stem}
    before = load(next((reduced_night / "reduced").rglob(f"{target[1].stem}_spec1d.fits")))[0]
    after = spectra_of(night, target[1].stem)[0]
    good = ~(np.asarray(before.mask) | np.asarray(after.mask))
    assert good.mean() > 0.5
    assert np.median(after.flux.value[good] / before.flux.value[good]) == pytest.approx(1, abs=0.02)
    flags = load(next((night.folder / "reduced").rglob(f"{target[1].stem}_spec2d.fits"))).flags
    assert np.count_nonzero(flags & Flag.NOT_FINITE) > 300


# -- Names ------------------------------------------------------------------------------------------------------------


def test_troublesome_target_names(night: Any, spoil: Spoil) -> None:
    for path, name in zip(night.files("object"), ("../a b/c: d", ".."), strict=True):
        spoil(path, OBJECT=name, TCSTGT=name)
    night.init()
    ended = night.run()
    assert ended.code == 0 and singles(night) == all_of(night)
    reduced = night.folder / "reduced"
    made = [path for path in night.folder.parent.rglob("*_spec1d.fits") if "products" not in path.parts]
    assert all(reduced in path.parents for path in made)
    combined = [path for path in made if not path.name.startswith("ALDc")]
    assert len({path.parent for path in combined}) == len(combined) == 3
    assert {load(path)[0].meta["header"]["OBJECT"] for path in combined} == {"Feige34", "../a b/c: d", ".."}
    parts = {part for path in made for part in path.relative_to(reduced).parts}
    assert not {part for part in parts if part == ".." or set(part) & set(" :/")}


# -- Recipes ----------------------------------------------------------------------------------------------------------

MISTAKES = """
[steps.extract]
uses = "extract_optmal"

[steps.sky]
params.degre = 2

[steps.cosmics]
params.sigma = "5 parsec"
inputs.image = "flatfeild"

[steps.bais]
enabled = false
"""


def test_all_mistakes_of_a_recipe_at_once(night: Any) -> None:
    recipe = night.folder / "recipe.toml"
    recipe.write_text('extends = "alfosc:spec"\ninput.files = ["raw"]\ninput.tabel = "frames.ecsv"\n' + MISTAKES)
    ended = night.run()
    assert ended.code == 2 and not (night.folder / "reduced").exists()
    for found, meant in (("extract_optmal", "extract_optimal"), ("degre", "degree"), ("flatfeild", "flatfield"),
                         ("bais", "bias"), ("tabel", "table")):  # fmt: skip
        assert any(found in line and f"did you mean {meant!r}?" in line for line in ended.said.splitlines()), found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "extrct"], "did you mean 'extract'?"),
        (["--target", "Feige35"], "did you mean 'Feige34'?"),
        (["--set", "steps.extrct.params.x=1"], "did you mean 'extract'?"),
        (["--set", "steps.extract.uses=extract_boxcra"], "did you mean 'extract_boxcar'?"),
    ],
)
def test_impossible_requests(night: Any, words: list[str], sentence: str) -> None:
    ended = night.run(*words)
    assert ended.code == 2 and sentence in ended.said and not (night.folder / "reduced").exists()


# -- A stranger's step ------------------------------------------------------------------------------------------------


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Install the step of the tests of the core that breaks as it is told; gives how to put it into a recipe."""
    from stevedore import ExtensionManager

    def forget() -> None:
        ExtensionManager.ENTRY_POINT_CACHE.clear()
        for function in (registry.plugins, registry.load_plugin):
            function.cache_clear()

    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "core/toys"))
    forget()
    yield (
        '\n[steps.touch]\nuses = "toy_touch"\ninputs.image = "fluxcal_2d"\n'
        'params.victim = "TEST1002+2801"\n[steps.combine_2d]\ninputs.images = "touch"\n'
    )
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("raise", "toy_touch of alfosc-reduce-toys 1.0 broke: KeyError: 'no such thing'; the traceback is in the log"),
        ("wrong", "toy_touch of alfosc-reduce-toys returned str for result: CCDData; report it to the author"),
        ("change", "toy_touch of alfosc-reduce-toys 1.0 changes its input, which steps must not do"),
    ],
)
def test_a_stranger_s_step_that_breaks(night: Any, breaking: str, fault: str, sentence: str) -> None:
    recipe = night.folder / "recipe.toml"
    recipe.write_text('extends = "alfosc:spec"\ninput.files = ["raw"]\n' + breaking)
    ended = night.run("--set", f"steps.touch.params.fault={fault}")
    frames = night.names("object")
    assert ended.code == 1 and ended.which("failed") == {f"touch[{frame}]" for frame in frames}
    assert f"failed: touch[{frames[0]}], touch[{frames[1]}]: {sentence}" in ended.said
    assert ended.which("skipped") == {"combine_2d"} and singles(night) == all_of(night)
    assert list((night.folder / "reduced").rglob("Feige34_*_spec2d.fits"))


# -- Disks ------------------------------------------------------------------------------------------------------------


def test_full_disk(night: Any) -> None:
    """The system lets no file grow beyond 300 kB, as if there were no room for more."""
    program = "from alfosc_reduce.cli import main; main()"
    words = ["run", str(night.folder / "recipe.toml"), "--jobs", "1", "--set", "steps.rectify.params.scale=log"]
    found = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )  # fmt: skip
    ended = night.ended(found.returncode, found.stdout + found.stderr)
    assert "Traceback" not in ended.said
    assert ended.code == 1 and ended.which("failed") == {f"rectify[{frame}]" for frame in all_of(night)}
    assert "cannot write " in ended.said and "File too large" in ended.said
    assert not list((night.folder / ".alfosc-reduce/unfinished").iterdir())
    assert not [path for path in night.folder.rglob("*") if path.name.endswith(".new") or path.name.startswith(".ALD")]
    again = night.run("--set", "steps.rectify.params.scale=log")
    assert again.code == 0 and singles(night) == all_of(night)


def test_folder_that_cannot_be_written(night: Any) -> None:
    if os.geteuid() == 0:
        place = "/proc/nowhere"
    else:
        (night.folder / "closed").mkdir(mode=0o555)
        place = str(night.folder / "closed/here")
    ended = night.command("init", "spec", str(night.folder / "raw"), "--folder", place)
    assert ended.code in (1, 2) and f"cannot write {place}" in ended.said
    (night.folder / "reduced").write_text("in the way")
    ended = night.run()
    assert ended.code == 1 and f"cannot write {night.folder}/reduced" in ended.said


def test_two_runs_at_once(night: Any) -> None:
    lock = night.folder / ".alfosc-reduce/lock"
    with lock.open("w") as stream:
        stream.write("4711")
        stream.flush()
        fcntl.flock(stream, fcntl.LOCK_EX)
        ended = night.run()
    assert ended.code == 1 and not (night.folder / "reduced").exists()
    assert f"another run (process 4711) works in {night.folder}; wait for it, or use another folder" in ended.said
    assert night.run().code == 0
