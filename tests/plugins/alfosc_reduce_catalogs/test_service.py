"""Services that answer, and services that do not: cones anywhere on the sky, tries, time-outs, what is kept."""

from __future__ import annotations

import gzip
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from alfosc_reduce.catalog import check_reference
from alfosc_reduce.errors import DataError

Gaia = Callable[..., Any]
CENTRE = SkyCoord(150.0, 2.0, unit="deg")


def truly_inside(table: Table, centre: SkyCoord, radius: u.Quantity) -> set[str]:
    """Return the sources of a table of Gaia in a cone, by vectors: not the way the package does it."""

    def vectors(ra: Any, dec: Any) -> np.ndarray:
        a, d = np.deg2rad(np.asarray(ra, float)), np.deg2rad(np.asarray(dec, float))
        return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)

    chord = np.linalg.norm(vectors(table["ra"], table["dec"]) - vectors(centre.ra.deg, centre.dec.deg), axis=-1)
    inside = chord <= 2 * np.sin(radius.to_value("rad") / 2)
    return set(np.asarray(table["source_id"])[inside].astype(str))


@pytest.mark.parametrize(
    ("ra", "dec"),
    [(150, 2), (0.01, 0), (359.99, -30), (200, 75), (0.02, 75), (10, 89.9), (10, 90), (33, -89.95), (300, -90)],
)
@pytest.mark.parametrize("arcmin", [5.0, 12.0])
def test_a_cone_holds_what_lies_in_it(gaia: Gaia, tap: Any, ra: float, dec: float, arcmin: float) -> None:
    catalog, centre = gaia(ra, dec), SkyCoord(ra, dec, unit="deg")
    found = catalog.sources(centre, arcmin * u.arcmin)
    wanted = truly_inside(tap.tables["gaiadr3.gaia_source AS g"], centre, arcmin * u.arcmin)
    assert wanted and set(found["source_id"]) == wanted
    check_reference(found)
    assert found.meta["COMPLETE"] and found.meta["RADIUS"] == pytest.approx(arcmin / 60)


def test_nearest_first_and_every_time_the_same(gaia: Gaia) -> None:
    catalog = gaia()
    first, again = (catalog.sources(CENTRE, 20 * u.arcmin) for _ in range(2))
    distance = SkyCoord(first["ra"], first["dec"]).separation(CENTRE).deg
    assert np.all(np.diff(distance) >= 0)
    assert list(first["source_id"]) == list(again["source_id"]) and np.array_equal(first["mag_G"], again["mag_G"])


def test_dithered_frames_make_one_query(gaia: Gaia, tap: Any) -> None:
    catalog = gaia()
    for east in (0, 20, -40):
        centre = CENTRE.spherical_offsets_by(east * u.arcsec, -east * u.arcsec)
        found = catalog.sources(centre, 8 * u.arcmin)
        wanted = truly_inside(tap.tables["gaiadr3.gaia_source AS g"], centre, 8 * u.arcmin)
        assert set(found["source_id"]) == wanted
    assert len(tap.queries) == 1


def test_a_larger_cone_serves_a_smaller_one_and_not_the_other_way(gaia: Gaia, tap: Any) -> None:
    catalog = gaia()
    catalog.sources(CENTRE, 5 * u.arcmin)
    catalog.sources(CENTRE, 20 * u.arcmin)
    assert len(tap.queries) == 2
    inside = CENTRE.spherical_offsets_by(10 * u.arcmin, 0 * u.arcmin)
    assert len(catalog.sources(inside, 6 * u.arcmin)) and len(tap.queries) == 2


def test_what_is_kept_serves_without_the_service(gaia: Gaia, tap: Any) -> None:
    before = gaia().sources(CENTRE, 10 * u.arcmin)
    tap.script = ["503"] * 9
    offline = gaia(offline=True).sources(CENTRE, 9 * u.arcmin)
    assert set(offline["source_id"]) <= set(before["source_id"]) and len(tap.queries) == 1


def test_offline_says_how_to_prepare(gaia: Gaia, tap: Any) -> None:
    with pytest.raises(
        DataError, match=r'alfosc-reduce catalog fetch --catalog gaia --at "150.00000 2.00000"'
    ) as error:
        gaia(offline=True).sources(CENTRE, 10 * u.arcmin)
    assert "radius 10.0'" in str(error.value) and "file:FILE" in str(error.value) and not tap.queries


@pytest.mark.parametrize("trouble", ["503", "cut", "half", "html"])
def test_a_hiccup_is_tried_again(gaia: Gaia, tap: Any, waited: list[float], trouble: str) -> None:
    tap.script = [trouble, trouble]
    assert len(gaia().sources(CENTRE, 10 * u.arcmin)) > 3
    assert waited == [1.0, 2.0]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("503", "is not available: 503"),
        ("cut", "could not be reached or broke off"),
        ("half", "sent no whole VOTable"),
        ("html", "sent no whole VOTable"),
    ],
)
def test_a_lasting_trouble_is_a_sentence(gaia: Gaia, tap: Any, waited: list[float], trouble: str, words: str) -> None:
    tap.script = [trouble] * 9
    with pytest.raises(DataError, match=words) as error:
        gaia(retries=3).sources(CENTRE, 10 * u.arcmin)
    assert "tried 4 times" in str(error.value) and "alfosc-reduce catalog fetch" in str(error.value)
    assert waited == [1.0, 2.0, 4.0] and "Traceback" not in str(error.value) and "0x" not in str(error.value)


def test_a_silent_service_is_not_waited_for(gaia: Gaia, tap: Any) -> None:
    tap.script = ["silent"]
    with pytest.raises(DataError, match="did not answer in time"):
        gaia(read_timeout=0.2 * u.s, retries=0).sources(CENTRE, 10 * u.arcmin)


def test_nobody_listens(gaia: Gaia, waited: list[float]) -> None:
    catalog = gaia().model_copy(update={"urls": ("http://127.0.0.1:9/tap",)})
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/tap could not be reached or broke off: .*refused"):
        catalog.sources(CENTRE, 10 * u.arcmin)


def test_the_second_address_is_asked(gaia: Gaia, tap: Any) -> None:
    catalog = gaia(retries=0).model_copy(update={"urls": ("http://127.0.0.1:9/tap", tap.url)})
    assert len(catalog.sources(CENTRE, 10 * u.arcmin)) > 3


def test_a_service_that_failed_is_left_in_peace_for_a_while(
    gaia: Gaia, tap: Any, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from alfosc_reduce_catalogs import cache

    tap.script = ["503"] * 3
    for words in ("503", "failed 0 s ago and is left in peace"):
        with pytest.raises(DataError, match=words) as error:
            gaia().sources(CENTRE, 10 * u.arcmin)
        assert str(error.value).count("http://127") == 1
    assert len(tap.queries) == 3
    monkeypatch.setattr(cache, "REST", 0.0)
    assert len(gaia().sources(CENTRE, 10 * u.arcmin)) > 3


def test_an_answer_that_takes_too_long_is_not_waited_for(gaia: Gaia, tap: Any) -> None:
    with pytest.raises(DataError, match="sends too slowly; stopped after"):
        gaia(timeout=1e-9 * u.s, retries=0).sources(CENTRE, 10 * u.arcmin)


def test_a_packed_answer_is_read(gaia: Gaia, tap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, select = gaia(), tap.select

    def packed(query: str, limit: int) -> tuple[int, bytes]:
        status, body = select(query, limit)
        return status, gzip.compress(body)

    monkeypatch.setattr(tap, "select", packed)
    assert len(catalog.sources(CENTRE, 10 * u.arcmin)) > 3


def test_a_lesser_answer_is_kept_for_days_without_a_better_one(
    gaia: Gaia, tap: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Without synthetic photometry at first; the better query is asked again each time, until it is answered."""
    lesser = gaia(synthetic=False)
    for _ in range(2):
        assert "mag_V" not in lesser.sources(CENTRE, 10 * u.arcmin).colnames
    assert len(tap.queries) == 3 and caplog.text.count("no synthetic photometry") == 2
    assert "mag_V" not in gaia(synthetic=False, offline=True).sources(CENTRE, 10 * u.arcmin).colnames
    assert "mag_V" in gaia().sources(CENTRE, 10 * u.arcmin).colnames


def test_no_address(gaia: Gaia) -> None:
    with pytest.raises(DataError, match="no address of a service is given"):
        gaia().model_copy(update={"urls": ()}).sources(CENTRE, 10 * u.arcmin)


@pytest.mark.parametrize("trouble", ["refuse", "fail"])
def test_a_refused_query_is_not_repeated(gaia: Gaia, tap: Any, waited: list[float], trouble: str) -> None:
    tap.script = [trouble] * 9
    with pytest.raises(DataError, match=r"refused the query: (Unknown column|Ran out of time)"):
        gaia().sources(CENTRE, 10 * u.arcmin)
    assert waited == [] and len(tap.queries) == 2  # with synthetic photometry, and without


def test_rows_cut_off_are_noticed(gaia: Gaia, caplog: pytest.LogCaptureFixture) -> None:
    assert not gaia(max_rows=10).sources(CENTRE, 20 * u.arcmin).meta["COMPLETE"]


def test_overflow_is_noticed(gaia: Gaia, tap: Any) -> None:
    tap.script = ["overflow"]
    assert not gaia().sources(CENTRE, 20 * u.arcmin).meta["COMPLETE"]


def test_an_answer_cut_off_serves_only_the_same_question(gaia: Gaia, tap: Any) -> None:
    catalog = gaia(max_rows=10)
    catalog.sources(CENTRE, 20 * u.arcmin)
    assert not catalog.sources(CENTRE, 20 * u.arcmin).meta["COMPLETE"] and len(tap.queries) == 1
    catalog.sources(CENTRE, 10 * u.arcmin)
    assert len(tap.queries) == 2


def test_a_damaged_file_in_the_cache_is_replaced(gaia: Gaia, tap: Any, cache: Path) -> None:
    catalog = gaia()
    before = catalog.sources(CENTRE, 10 * u.arcmin)
    (kept,) = cache.rglob("*.vot")
    kept.write_bytes(kept.read_bytes()[:500])
    assert len(catalog.sources(CENTRE, 10 * u.arcmin)) == len(before) and len(tap.queries) == 2
    assert [path.name for path in cache.rglob("*.vot")] == [kept.name]


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(gaia: Gaia, tap: Any, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    assert len(gaia().sources(CENTRE, 10 * u.arcmin)) > 3


def test_processes_that_want_the_same_ask_once(gaia: Gaia, tap: Any, cache: Path) -> None:
    tap.script = ["silent"]
    catalog = gaia()
    context = multiprocessing.get_context("spawn")
    fields = [(CENTRE, (10 - 0.1 * number) * u.arcmin) for number in range(2)]
    children = [context.Process(target=catalog.sources, args=field) for field in fields]
    for child in children:
        child.start()
    tap.released.set()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert len(tap.queries) == 1 and not [p for p in cache.rglob(".*") if p.is_file()]
    assert all(len(catalog.sources(*field)) > 3 for field in fields) and len(tap.queries) == 1


def test_a_job_is_waited_for_and_taken_away(gaia: Gaia, tap: Any, waited: list[float]) -> None:
    tap.phases = ["PENDING", "QUEUED", "EXECUTING"]
    assert len(gaia().sources(CENTRE, 10 * u.arcmin)) > 3
    assert waited == [0.25, 0.375, 0.5625] and tap.deleted == 1


def test_a_failed_job_says_why(gaia: Gaia, tap: Any) -> None:
    tap.phases = ["ERROR"] * 2
    with pytest.raises(DataError, match=r"refused the query: .*out of memory"):
        gaia().sources(CENTRE, 10 * u.arcmin)


@pytest.mark.parametrize("radius", [0 * u.deg, -1 * u.arcmin, 40 * u.deg, np.nan * u.deg])
def test_a_radius_that_makes_no_sense(gaia: Gaia, radius: u.Quantity) -> None:
    with pytest.raises(DataError, match=r"a radius of .* cannot be asked for"):
        gaia().sources(CENTRE, radius)


def test_nothing_there_is_an_empty_table(gaia: Gaia) -> None:
    far = SkyCoord(10, 60, unit="deg")
    found = gaia().sources(far, 5 * u.arcmin)
    check_reference(found)
    assert len(found) == 0 and found["mag_V"].unit == u.mag
