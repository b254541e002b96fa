"""The report as a file: whole, well-formed, self-contained, honest, and safe whatever names the night brings."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alfosc_reduce.limits import value_text
from alfosc_reduce.report import writing
from alfosc_reduce.report.elements import Html, element
from alfosc_reduce.report.fields import averaged, picture
from alfosc_reduce.report.spectra import packed

Report = Callable[..., SimpleNamespace]


def test_page_is_well_formed_and_complete(report: Report) -> None:
    page = report().page
    assert page.open == []
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("html", "head", "body", "main", "title", "style")] == [1] * 6
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    anchors = [href[1:] for href in page.attributes("href") if href.startswith("#")]
    assert anchors and set(anchors) <= set(ids)


def test_page_needs_nothing_from_elsewhere(report: Report) -> None:
    found = report()
    assert not [a for name in ("src", "href") for a in found.page.attributes(name) if re.match(r"\w+:|//", a)
                and not a.startswith("data:image/")]  # fmt: skip
    assert not re.search(r"https?://|@import|url\(|<link", found.text)
    assert len(found.text) < 200_000


def test_links_lead_to_published_files(report: Report) -> None:
    found = report()
    links = {href for href in found.page.attributes("href") if not href.startswith("#")}
    assert {"qc.json", "log.txt", "M_1/toy2_spec1d.fits", "calib/bias_full.fits"} <= links
    assert all((found.path.parent / link).is_file() for link in links)


def test_every_number_is_there(report: Report) -> None:
    found = report()
    shown = {text for _, text in found.page.texts}
    quality = [(name, value) for task in found.tasks.values() for name, value in task["quality"].items()]
    assert len(quality) > 30
    for name, value in quality:
        assert name.replace("_", " ") in shown and value_text(value) in shown


def test_numbers_stand_beside_limits_with_a_word(report: Report) -> None:
    found = report()
    for task in found.tasks.values():
        for name, verdict in task["verdicts"].items():
            exact = re.escape(str(task["quality"][name]))
            row = rf">{verdict['verdict']}</span></td>.{{0,200}}{name.replace('_', ' ')}.{{0,200}}title=\"{exact}\""
            assert re.search(row, found.text), (task["task"], name)
    assert "<span>&lt;= 150,</span> <span>aim &lt;= 145</span>" in found.text and "<span>&gt;= 10</span>" in found.text


def test_spectra_are_in_the_page_as_published(report: Report) -> None:
    found = report()
    data = [json.loads(text) for tag, text in found.page.texts if tag == "script" and text.startswith('[{"title')]
    assert [[s["title"] for s in spectra] for spectra in data] == [["toy2", "toy3"], ["toy5"]]
    table = fits.getdata(found.path.parent / "M_1/toy3_spec1d.fits")
    spectrum = data[0][1]
    assert spectrum["unit"] == "electron" and list(spectrum["columns"]) == ["SKY"]
    assert np.array_equal(np.frombuffer(b64decode(spectrum["x"]), "<f8"), table["WAVE"])
    assert np.allclose(np.frombuffer(b64decode(spectrum["y"]), "<f4"), table["FLUX"], rtol=1e-6)
    assert np.array_equal(np.frombuffer(b64decode(spectrum["flags"]), "<i2"), table["FLAGS"])


def test_good_night_says_so(report: Report) -> None:
    found = report("limits.prepare.mean.max=1000")
    assert found.code == 0 and "Everything that was planned is done, and no limit is broken." in found.page.seen
    assert "What went wrong" not in found.page.seen


def test_failures_come_first_with_their_reasons(report: Report) -> None:
    found = report("steps.touch.params.fault=refuse", "steps.touch.params.victim=HZ 44")
    seen = found.page.seen
    assert found.code == 1
    order = ["What went wrong", "touch[toy5]: toy: nothing but zeros; leave this frame out", "split[toy5]", "Targets"]
    places = [seen.index(text) for text in order]
    assert places == sorted(places)
    assert seen.index("Targets") < seen.index("What was done")


def test_warnings_and_left_out_files_are_told(report: Report, spectral_night: Path) -> None:
    (spectral_night / "raw/notes.txt").write_text("clouds")
    (spectral_night / "raw/broken.fits").write_text("no FITS")
    seen = report("steps.touch.params.fault=speak").page.seen
    assert "the lamp was weak" in seen and "broken.fits" in seen and "notes.txt" in seen


def test_what_cannot_run_is_told(report: Report, spectral_night: Path, toys: SimpleNamespace) -> None:
    toys.write_frame(spectral_night / "raw/toy8.fits", "object", "M 8", 60000.9, GRISM="G8")
    seen = report().page.seen
    assert "cannot run" in seen and seen.index("split[toy8]") < seen.index("Targets")


HOSTILE = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "a' onload='b", 'a" b', "&lt;b&gt;"]


def test_hostile_names_are_text(report: Report, spectral_night: Path, toys: SimpleNamespace) -> None:
    harmless = report().page
    for i, target in enumerate(HOSTILE):
        toys.write_frame(spectral_night / f"raw/odd{i}.fits", "object", target, 60001 + i / 10)
    found = report()
    assert all(target in found.page.seen for target in HOSTILE)
    assert {tag for tag, _ in found.page.elements} == {tag for tag, _ in harmless.elements}
    assert not [name for _, attributes in found.page.elements for name in attributes if name.startswith("on")]
    scripts = [a for tag, a in found.page.elements if tag == "script"]
    assert len(scripts) == 2 + len(HOSTILE) + 2, "flags and program, five strange targets, two plain ones"


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    from html import unescape

    made = element("p", text, title=value)
    inside = made.removeprefix("<p").removesuffix("</p>")
    attribute, _, content = inside.partition(">")
    assert unescape(content) == unescape(content) and "<" not in content
    assert attribute == (f' title="{attribute[8:-1]}"' if value else "")
    assert unescape(attribute[8:-1]) == value and Html(made) == made


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_packed_numbers_come_back(values: list[float]) -> None:
    assert np.frombuffer(b64decode(packed(np.array(values))), "<f4").tolist() == values


def test_nothing_is_written_again_when_nothing_changed(report: Report, spectral_night: Path) -> None:
    stamp = report().path.stat().st_mtime_ns
    assert report().path.stat().st_mtime_ns == stamp
    assert report("limits.prepare.mean.max=99").path.stat().st_mtime_ns > stamp


def test_changed_spectrum_or_lost_report_is_written_again(report: Report) -> None:
    first = report()
    first.path.unlink()
    assert report().text == first.text
    assert report("steps.prepare.params.level=5").text != first.text


def test_report_that_cannot_be_written_costs_a_sentence(
    reduce_night: Report, spectral_night: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (spectral_night / "reduced/report.html").mkdir(parents=True)
    run = reduce_night()
    assert run.code == 1 and set(run.states.values()) == {"done"}
    assert "report.html was not written" in capfd.readouterr().err
    assert "report.html was not written" in (spectral_night / "reduced/log.txt").read_text()


def test_mistake_in_the_report_costs_a_sentence(
    reduce_night: Report, spectral_night: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> str:
        raise KeyError("what")

    monkeypatch.setattr(writing, "page", broken)
    assert reduce_night().code == 1
    assert "report.html was not written: KeyError: 'what'" in capfd.readouterr().err


def test_figures_beyond_the_room_are_linked(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from functools import partial

    whole = report()
    assert whole.text.count("<img") == 5
    monkeypatch.setattr(writing, "data_uris", partial(writing.data_uris, room=0))
    whole.path.unlink()
    page = report().page
    assert not page.attributes("src")
    links = [href for href in page.attributes("href") if href.endswith(".png")]
    assert len(links) == 5 and all((whole.path.parent / link).is_file() for link in links)


def test_part_of_a_night_has_a_report_of_that_part(report: Report) -> None:
    page = report(only=("bias",)).page
    assert "Calibrations" in page.seen and not [a for tag, a in page.elements if a.get("class") == "plot"]


def test_what_was_lost_only_for_something_else_is_folded_away(
    report: Report, spectral_night: Path, toys: SimpleNamespace
) -> None:
    toys.write_frame(spectral_night / "raw/toy8.fits", "object", "M 8", 60000.9, GRISM="G8")
    text = report("steps.touch.params.fault=refuse", "steps.touch.params.victim=HZ 44").text
    overview = text[text.index("What went wrong") : text.index(">Targets<")]
    listed, folded = overview.split("<details", maxsplit=1)
    assert "split[toy8]" in listed and "touch[toy5]" in listed
    assert "combine[M 8" not in listed and "combine[M 8" in folded
    assert "split[toy5]" not in listed and "split[toy5]" in folded


def fields(found: SimpleNamespace) -> list[dict]:
    scripts = re.findall(r'class="field"[^>]*><script type="application/json">(.*?)</script>', found.text, re.DOTALL)
    return [image for script in scripts for image in json.loads(script)]


def test_images_of_the_sky_come_with_their_sources(field_report: Report) -> None:
    found = fields(field_report())
    assert {image["title"] for image in found} == {"Open toy2", "Open toy3", "Open toy5"}
    for image in found:
        assert image["size"] == [6, 4] and image["factor"] == 1 and image["map"]["CRVAL2"] == 75
        (layer,) = image["layers"]
        assert layer["name"] == "sources" and np.frombuffer(b64decode(layer["x"]), "<f4").tolist() == [5, 0], (
            "bright first"
        )
        assert layer["said"][1] == "1, 359.999000 +75.000000, r = 18.250 ± 0.020"


def test_a_picture_keeps_the_light_of_its_blocks() -> None:
    data = np.arange(35, dtype=np.float32).reshape(5, 7)
    bad = data == 9
    small = averaged(data, bad, 2)
    assert small.shape == (3, 4)
    assert small[0, 0] == np.mean([0, 1, 7, 8]) and small[0, 1] == np.mean([2, 3, 10]) and small[2, 3] == 34


def test_a_picture_is_grey_and_upside_up() -> None:
    data = np.random.default_rng(1).normal(100, 1, (40, 60)).astype(np.float32)
    data[5, 7] = 1000
    address = picture(data, np.zeros(data.shape, bool), 1)
    seen = np.asarray(Image.open(BytesIO(b64decode(address.partition(",")[2]))).convert("L"))
    assert seen.shape == (40, 60) and np.unravel_index(np.argmax(seen), seen.shape) == (34, 7)


def test_an_image_without_any_usable_pixel_is_drawn() -> None:
    data = np.full((4, 4), np.nan, np.float32)
    assert picture(data, np.ones(data.shape, bool), 2).startswith("data:image/webp")
