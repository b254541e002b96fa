"""A whole toy night: what is done again after a change, what is published, and what is told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from astropy.io import fits
from click.testing import CliRunner

from alfosc_reduce.cli import main, program
from alfosc_reduce.errors import ConfigurationError, ReductionError
from alfosc_reduce.explanation import ancestors_of
from alfosc_reduce.products import load
from alfosc_reduce.products.foreign import read_table
from alfosc_reduce.reduction import Choices, libraries_of, prepare

Reduce = Callable[..., SimpleNamespace]
ALL = 25


def published(folder: Path) -> set[str]:
    below = folder / "reduced"
    return {str(path.relative_to(below)) for path in below.rglob("*.fits")}


def steps_of(names: list[str]) -> set[str]:
    return {name.partition("[")[0] for name in names}


def test_again_with_nothing_changed_does_nothing(reduce_night: Reduce, carried_out: list[str]) -> None:
    assert reduce_night().code == 0 and len(carried_out) == ALL
    first = {path: path.stat().st_mtime_ns for path in (reduce_night().folder / "reduced").rglob("*.fits")}
    del carried_out[:]
    again = reduce_night()
    assert carried_out == [] and set(again.states.values()) == {"done"}
    assert first == {path: path.stat().st_mtime_ns for path in (again.folder / "reduced").rglob("*.fits")}


def test_changed_parameter_redoes_its_step_and_what_follows(reduce_night: Reduce, carried_out: list[str]) -> None:
    reduce_night()
    del carried_out[:]
    reduce_night("steps.touch.params.victim=nobody")
    assert sorted(carried_out) == sorted(
        [*(f"{s}[toy{n}]" for s in ("touch", "split") for n in (2, 3, 5)),
         "combine[M 1 G4_1.0]", "combine[HZ 44 G4_1.0]"]
    )  # fmt: skip
    del carried_out[:]
    reduce_night()
    assert carried_out == [], "products of the earlier parameters are still there"


def test_changed_frame_redoes_only_what_it_went_into(
    reduce_night: Reduce, carried_out: list[str], toys: SimpleNamespace
) -> None:
    folder = reduce_night().folder
    raw = folder / "raw/toy5.fits"
    stamp = raw.stat()
    toys.write_frame(raw, "standard", "HZ 44", 60000.05, NOTE="other")
    os.utime(raw, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert raw.stat().st_size == stamp.st_size
    del carried_out[:]
    reduce_night()
    assert set(carried_out) == {
        "prepare[toy5]", "subtract[toy5]", "touch[toy5]", "split[toy5]", "combine[HZ 44 G4_1.0]",
    }  # fmt: skip


def test_touched_frame_redoes_nothing(reduce_night: Reduce, carried_out: list[str]) -> None:
    os.utime(reduce_night().folder / "raw/toy5.fits")
    del carried_out[:]
    reduce_night()
    assert carried_out == []


def test_added_and_removed_frame(reduce_night: Reduce, carried_out: list[str], toys: SimpleNamespace) -> None:
    folder = reduce_night().folder
    before = published(folder)
    added = toys.write_frame(folder / "raw/toy9.fits", "object", "M 1", 60000.025)
    del carried_out[:]
    reduce_night()
    assert set(carried_out) == {
        "prepare[toy9]", "subtract[toy9]", "touch[toy9]", "split[toy9]", "combine[M 1 G4_1.0]",
    }  # fmt: skip
    assert published(folder) - before == {"M_1/G4_1.0/toy9_spec2d.fits"}
    added.unlink()
    del carried_out[:]
    reduce_night()
    assert carried_out == [] and published(folder) == before
    assert not list((folder / "reduced/figures").rglob("*toy9*"))


def test_changed_code_redoes_its_steps(
    reduce_night: Reduce, carried_out: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reduce_night()
    del carried_out[:]
    from alfosc_reduce import orders

    monkeypatch.setattr(orders, "code_fingerprint", lambda package: "other")
    reduce_night()
    assert len(carried_out) == ALL


def test_fresh_redoes_all(reduce_night: Reduce, carried_out: list[str]) -> None:
    reduce_night()
    del carried_out[:]
    reduce_night(fresh=True)
    assert len(carried_out) == ALL


def test_damaged_or_lost_product_is_made_again(reduce_night: Reduce, carried_out: list[str]) -> None:
    folder = reduce_night().folder
    places = sorted(path.parent for path in (folder / ".alfosc-reduce/products").glob("*/*/record.json"))
    (places[0] / "record.json").write_text('{"entity": {')
    (places[1] / "record.json").unlink()
    next(places[2].glob("*.fits")).unlink()
    del carried_out[:]
    assert reduce_night().code == 0 and len(carried_out) == 3


def test_published_files_and_their_names(reduce_night: Reduce) -> None:
    assert published(reduce_night().folder) == {
        "M_1/G4_1.0/toy2_spec2d.fits", "M_1/G4_1.0/toy3_spec2d.fits", "M_1/M_1_G4_1.0_spec2d.fits",
        "HZ_44/G4_1.0/toy5_spec2d.fits", "HZ_44/HZ_44_G4_1.0_spec2d.fits",
        "calib/bias_full.fits", "calib/lines_M_1_G4_3.fits", "calib/lines_HZ_44_G4_5.fits",
    }  # fmt: skip


def test_targets_with_troublesome_names_stay_apart_and_below_reduced(
    reduce_night: Reduce, night: Path, toys: SimpleNamespace
) -> None:
    for i, target in enumerate(["../../x", "NGC 1/2: a", "NGC 1 2: a", "..", "CON"]):
        toys.write_frame(night / f"raw/odd{i}.fits", "object", target, 60001 + i / 10)
    run = reduce_night()
    assert run.code == 0
    files = list(run.folder.rglob("odd*_spec2d.fits"))
    assert len(files) == len({path.parent for path in files}) == 5
    assert all((run.folder / "reduced") in path.parents for path in files)
    assert len(list((run.folder / "reduced").rglob("*_G4_1.0_spec2d.fits"))) == 7


def test_target_beyond_ascii_is_published_and_explained(reduce_night: Reduce, night: Path) -> None:
    init = CliRunner().invoke(program, ["init", "spec", str(night / "raw"), "-o", str(night), "--overwrite"])
    assert init.exit_code == 0, init.output
    table = night / "frames.ecsv"
    table.write_text(table.read_text().replace('"HZ 44"', '"Müllers Stern ★"'), encoding="utf-8")
    run = reduce_night()
    assert run.code == 0
    product = run.folder / "reduced/Mullers_Stern/Mullers_Stern_G4_1.0_spec2d.fits"
    assert load(product).meta["OBJECT"].strip() == "Mullers Stern"
    assert ancestors_of(product)[-1].name.startswith("combine[Mullers Stern")


def test_two_products_of_one_path_get_names_of_their_own(reduce_night: Reduce, night: Path) -> None:
    recipe = night / "recipe.toml"
    recipe.write_text(recipe.read_text() + '[output]\n"{target}/all.fits" = "split.image"\n')
    run = reduce_night()
    files = sorted(path.name for path in (run.folder / "reduced").rglob("all*.fits"))
    assert len(files) == 3 and files[-1] == "all.fits" and all(len(name) == 15 for name in files[:2])


def test_slow_libraries_are_imported_only_for_what_needs_them(night: Path) -> None:
    assert libraries_of(prepare(night / "recipe.toml", Choices()).wiring) == []
    recipe = night / "recipe.toml"
    recipe.write_text(recipe.read_text() + '[steps.collapse]\nuses = "toy_collapse"\ninputs.image = "split.image"\n')
    assert libraries_of(prepare(recipe, Choices()).wiring) == ["specutils"]


def test_the_last_stage_that_was_made_is_published(reduce_night: Reduce, night: Path) -> None:
    recipe = night / "recipe.toml"
    recipe.write_text(recipe.read_text() + '[output]\n"{target}/{frame}_last.fits" = ["subtract", "split.image"]\n')
    run = reduce_night("steps.touch.params.fault=raise", "steps.touch.params.victim=HZ 44")
    for frame, stage in (("toy2", "split"), ("toy5", "subtract")):
        (path,) = (run.folder / "reduced").rglob(f"{frame}_last.fits")
        assert ancestors_of(path)[-1].name == f"{stage}[{frame}]"


def test_tables_are_published_in_the_form_that_their_name_asks_for(reduce_night: Reduce, night: Path) -> None:
    recipe = night / "recipe.toml"
    steps = '[steps.point]\nuses = "toy_point"\ninputs.image = "split.image"\n'
    recipe.write_text(
        recipe.read_text() + steps + '[output]\n"{frame}.ecsv" = "point.sources"\n"{frame}.reg" = "point.sources"\n'
    )
    run = reduce_night()
    assert run.code == 0
    assert read_table(run.folder / "reduced/toy2.ecsv")["id"].tolist() == [1, 2]
    assert "circle(359.9990000,75.0000000" in (run.folder / "reduced/toy2.reg").read_text()


def test_what_belongs_together_is_marked_alike_where_names_collide(reduce_night: Reduce, night: Path) -> None:
    recipe = night / "recipe.toml"
    steps = '[steps.point]\nuses = "toy_point"\ninputs.image = "split.image"\n'
    output = '[output]\n"{target}/field.fits" = "point.image"\n"{target}/field_sources.ecsv" = "point.sources"\n'
    recipe.write_text(recipe.read_text() + steps + output)
    places = [path.name for path in (reduce_night().folder / "reduced/M_1").glob("field*")]
    marks = [
        {name.partition("-")[2].partition(".")[0] for name in places if name.endswith(end)} for end in ("fits", "ecsv")
    ]
    assert len(places) == 4 and len(marks[0]) == 2 and marks[0] == marks[1]


def test_stale_files_go_but_not_what_a_person_changed(reduce_night: Reduce, night: Path) -> None:
    reduce_night()
    for name in ("toy2", "toy3"):
        (night / f"raw/{name}.fits").unlink()
    mine = night / "reduced/M_1/G4_1.0/toy2_spec2d.fits"
    fits.setval(mine, "NOTE", value="mine")
    (night / "reduced/notes.txt").write_text("mine")
    run = reduce_night()
    assert mine.exists() and (night / "reduced/notes.txt").exists()
    assert not (night / "reduced/M_1/G4_1.0/toy3_spec2d.fits").exists()
    assert run.code == 0


def test_removed_published_file_comes_back(reduce_night: Reduce, night: Path, carried_out: list[str]) -> None:
    reduce_night()
    shutil.rmtree(night / "reduced")
    del carried_out[:]
    reduce_night()
    assert carried_out == [] and len(published(night)) == 8


@pytest.mark.parametrize(
    "template", ["../x.fits", "/tmp/x.fits", "{moon}.fits", "{.fits", "{target.x}.fits", "{}.fits"]
)
def test_impossible_path_is_told_before_any_work(
    reduce_night: Reduce, night: Path, carried_out: list[str], template: str
) -> None:
    recipe = night / "recipe.toml"
    recipe.write_text(recipe.read_text() + f'[output]\n"{template}" = "combine"\n')
    with pytest.raises(ConfigurationError, match="output"):
        reduce_night()
    assert not carried_out


def test_restricted_run_keeps_what_others_published(reduce_night: Reduce, carried_out: list[str]) -> None:
    folder = reduce_night().folder
    before = published(folder)
    run = reduce_night("steps.touch.params.victim=nobody", targets=("HZ 44",))
    assert published(folder) == before
    assert {task["target"] for task in run.tasks.values()} == {"", "HZ 44"}
    assert not any("M 1" in name for name in run.tasks)


def test_only_calibrations(reduce_night: Reduce, carried_out: list[str]) -> None:
    run = reduce_night(only=("bias",))
    assert carried_out == ["prepare[toy0]", "prepare[toy1]", "bias[full]"]
    assert published(run.folder) == {"calib/bias_full.fits"}


def test_quality_is_valid_json_with_finite_numbers(reduce_night: Reduce) -> None:
    run = reduce_night()

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    document = json.loads((run.folder / "reduced/qc.json").read_text(), parse_constant=refuse)
    quality = {task["task"]: task["quality"] for task in document["tasks"]}["prepare[toy2]"]
    assert quality["bad"] is None and quality["count"] == 24 and quality["small"] == 0.5
    assert 100 < quality["mean"] < 200
    assert set(document) == {"version", "tasks", "cannot_run", "verdicts", "idle_limits"}


def test_log_has_a_section_for_calibrations_and_each_target(reduce_night: Reduce, night: Path) -> None:
    (night / "raw/notes.txt").write_text("clouds")
    log = (reduce_night().folder / "reduced/log.txt").read_text()
    heads = [line.strip("= ") for line in log.splitlines() if line.startswith("== ")]
    assert heads == ["Calibrations", "HZ 44", "M 1"]
    assert "notes.txt: no frame: no FITS file (by its name)" in log.partition("== Calibrations")[0]
    section = log.partition("== HZ 44")[2].partition("== M 1")[0]
    assert "split[toy5]: done" in section and "toy2" not in section
    assert "lines: lines[full G4 1.0 Open HZ 44 5] (same slit and target and filter, 14 min after)" in section


def test_product_tells_its_whole_ancestry(reduce_night: Reduce, night: Path) -> None:
    reduce_night()
    story = ancestors_of(night / "reduced/M_1/M_1_G4_1.0_spec2d.fits")
    assert {a.name.partition("[")[0] for a in story} == {
        "prepare", "bias", "subtract", "arcs", "lines", "touch", "split", "combine",
    }  # fmt: skip
    assert story[-1].name == "combine[M 1 G4_1.0]" and (story[-1].owner, story[-1].version) == (
        "alfosc-reduce-toys",
        "1.0",
    )
    seen: set[str] = set()
    for ancestor in story:
        assert {m for members in ancestor.inputs.values() for m in members} <= seen
        seen.add(ancestor.name)
    raw = {file for a in story for file in a.files}
    assert raw == {f"toy{n}.fits" for n in (0, 1, 2, 3, 4)}
    header = fits.getheader(night / "reduced/M_1/G4_1.0/toy2_spec2d.fits")
    assert [header["CAL01"], header["CAL02"]] == ["bias[full]", "arcs[full G4 1.0 Open M 1 3]"]
    told = CliRunner().invoke(program, ["explain", str(night / "reduced/M_1/M_1_G4_1.0_spec2d.fits")])
    assert told.exit_code == 0 and "raw frames: toy2.fits" in told.output


def test_closing_table_and_exit_codes(reduce_night: Reduce, night: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reduce_night("steps.touch.params.fault=refuse", "steps.touch.params.victim=HZ 44")
    shown = capfd.readouterr().err
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line[:1].isalpha()}
    assert rows["step"] == ["done", "cached", "failed", "skipped", "cannot", "run"]
    assert rows["touch"] == ["2", "-", "1", "-", "-"] and rows["split"] == ["2", "-", "-", "1", "-"]
    assert "failed: touch[toy5]: toy: nothing but zeros; leave this frame out" in shown
    assert "what needs them was not done: split, combine (2, see log.txt)" in shown
    log = (night / "reduced/log.txt").read_text()
    assert "combine[HZ 44 G4_1.0]: skipped" in log and "ERROR: frames: split[toy5] was skipped" in log


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run"], 0),
        (["run", "--quiet"], 0),
        (["run", "--jobs", "0"], 2),
        (["run", "--target", "M 2"], 2),
        (["run", "--set", "steps.touch.params.folt=x"], 2),
        (["run", "--set", "steps.touch.params.fault=refuse"], 1),
        (["plan"], 0),
        (["plan", "--only", "bais"], 2),
    ],
)
def test_exit_codes_of_commands(
    night: Path, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(night)
    extra = ["--jobs", "1"] if words[0] == "run" and "--jobs" not in words else []
    with pytest.raises(SystemExit) as caught:
        main([*words, *extra])
    assert caught.value.code == code
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    if "--quiet" in words:
        assert said.err == said.out == ""


def test_plan_says_what_is_cached_and_why_each_is_used(
    night: Path, reduce_night: Reduce, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(night)
    toys.write_frame(night / "raw/toy8.fits", "object", "M 8", 60000.9, GRISM="G8")
    told = CliRunner().invoke(program, ["plan"]).output
    assert "28 tasks, 0 cached, 2 cannot run" in told
    assert "frames: 2 (toy0, toy1)" in told and "cannot run:\n  split[toy8]: split: lines: no lines matches" in told
    assert "lines: lines[full G4 1.0 Open M 1 3] (same slit and target and filter, 29 min after)" in told
    assert not (night / "reduced").exists()
    reduce_night()
    assert "28 tasks, 28 cached, 2 cannot run" in CliRunner().invoke(program, ["plan"]).output


def test_folder_without_frames_says_so(reduce_night: Reduce, night: Path) -> None:
    for path in (night / "raw").iterdir():
        path.unlink()
    (night / "raw/notes.txt").write_text("clouds")
    with pytest.raises(ConfigurationError, match=r"there are no frames in raw\nnotes.txt: no frame: no FITS file"):
        reduce_night()


def test_file_that_is_not_there_is_told(reduce_night: Reduce, night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'extends = "toy:spec"\n[input]\nfiles = ["raw/*", "row"]\nexclude = ["raw/toy6*", "raw/toi*"]\n'
    (night / "recipe.toml").write_text(text)
    log = (reduce_night().folder / "reduced/log.txt").read_text()
    assert "input.files: 'row' names no file" in log and "input.exclude: 'raw/toi*' names no file" in log
    assert "toy6.fits: left out (input.exclude)" in log
    said = capsys.readouterr().err
    assert "input.files: 'row' names no file" in said and "left out" not in said


def test_read_only_folder_is_told(reduce_night: Reduce, night: Path, carried_out: list[str]) -> None:
    (night / "reduced").write_text("a file in the way stops root too")
    with pytest.raises(ReductionError, match=r"cannot write .*reduced"):
        reduce_night()
    assert not carried_out, "told before any work"


def test_full_disk_fails_the_task_with_a_sentence(reduce_night: Reduce, monkeypatch: pytest.MonkeyPatch) -> None:
    from alfosc_reduce.products import files

    def full(hdus: fits.HDUList, path: Path) -> None:
        if path.name == "sky.fits":
            raise ReductionError(f"cannot write {path}: No space left on device")
        write_whole(hdus, path)

    write_whole = files.write_whole
    monkeypatch.setattr(files, "write_whole", full)
    run = reduce_night()
    assert run.code == 1 and "No space left on device" in run.tasks["split[toy2]"]["message"]
    assert run.states["lines[full G4 1.0 Open M 1 3]"] == "done"
    assert not list((run.folder / ".alfosc-reduce/unfinished").iterdir())
