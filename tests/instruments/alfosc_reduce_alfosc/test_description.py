"""From headers to kinds, names and coordinates: what ALFOSC writes, and the traps in it."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from alfosc_reduce_alfosc.setups import find_filter, find_grism, find_slit
from alfosc_reduce_alfosc.tables import records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alfosc_reduce.errors import DataError
from alfosc_reduce.instrument import KINDS

INSTRUMENT = Alfosc()
IMAGING = {"ALGRNM": "Open_(Lyot)", "ALAPRTNM": "Open", "OBS_MODE": "IMAGING"}
LAMP = {"CMIRROR": 1}
BIAS = {**IMAGING, "IMAGETYP": "BIAS", "SHSTAT": "CLOSED", "EXPTIME": 0.002, "OBJECT": "bias", "TCSTGT": ""}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("object", {}),
        ("object", {"IMAGETYP": "", "IMAGECAT": ""}),
        ("bias", BIAS),
        ("bias", {**IMAGING, "IMAGETYP": "", "SHSTAT": "CLOSED", "EXPTIME": 0.0}),
        ("dark", {**IMAGING, "IMAGETYP": "DARK", "SHSTAT": "CLOSED", "EXPTIME": 900.0}),
        ("dark", {**IMAGING, "IMAGETYP": "OBJECT", "SHSTAT": "CLOSED", "EXPTIME": 900.0}),
        ("flat", {"IMAGETYP": "FLAT,LAMP", "CLAMP3": 1, **LAMP}),
        ("flat", {"IMAGETYP": "OBJECT", "CLAMP3": 1, **LAMP}),
        ("flat", {"IMAGETYP": "FLAT,SKY"}),
        ("arc", {"IMAGETYP": "WAVE,LAMP", "CLAMP1": 1, "CLAMP2": 1, **LAMP}),
        ("arc", {"IMAGETYP": "OBJECT", "CLAMP4": 1, **LAMP}),
        ("arc", {"IMAGETYP": "WAVE,LAMP", "CLAMP1": None, "CLAMP2": None, "CMIRROR": None}),
        ("object", {"CLAMP1": 1, "CMIRROR": 0}),
        ("standard", {"OBJECT": "whatever", "TCSTGT": "", "RA": 147.236, "DEC": 13.740}),
        ("image", IMAGING),
        ("imaging_flat", {**IMAGING, "IMAGETYP": "FLAT,SKY"}),
        ("imaging_flat", {**IMAGING, "IMAGETYP": "FLAT,LAMP", "CLAMP3": 1, **LAMP}),
        ("acquisition", {**IMAGING, "IMAGECAT": "ACQUISITION"}),
        ("acquisition", {**IMAGING, "OBJECT": "acq SN2020xyz"}),
        ("slit_image", {**IMAGING, "ALAPRTNM": "Slit_1.0"}),
        ("slit_image", {**IMAGING, "ALAPRTNM": "Slit_1.0", "CLAMP3": 1, **LAMP}),
        ("focus", {**IMAGING, "ALGRNM": "Focus_Pyramid"}),
        ("focus", {**IMAGING, "IMAGETYP": "FOCUS"}),
        ("focus", {**IMAGING, "OBJECT": "focus run"}),
        ("unknown", {**IMAGING, "IMAGETYP": "WAVE,LAMP", "CLAMP1": 1, **LAMP}),
        ("unknown", {**IMAGING, "ALGRNM": "WeDoWo"}),
        ("object", {"ALGRNM": "Grism_#99"}),
        ("object", {"ALGRNM": "VPH_new"}),
    ],
)
def test_kinds(make_header, kind: str, changes: dict[str, object]) -> None:
    info = INSTRUMENT.describe(make_header(**changes))
    assert info.kind == kind
    assert kind in KINDS


def test_an_image_of_a_standard_is_an_image_with_its_clean_name(make_header) -> None:
    info = INSTRUMENT.describe(
        make_header(**IMAGING, OBJECT="SP1036+433", TCSTGT="SP1036+433", RA=159.9031, DEC=43.1026)
    )
    assert (info.kind, info.object) == ("image", "Feige34")


def test_the_catalogue_position_of_a_standard_is_not_believed(make_header) -> None:
    """``OBJRA`` is in hours and B1950; only ``RA`` and ``DEC`` say where the telescope pointed."""
    info = INSTRUMENT.describe(make_header(OBJRA=9.77, OBJDEC=13.988, OBJECT="x", TCSTGT="x", RA=147.236, DEC=13.740))
    assert info.kind == "standard"
    away = INSTRUMENT.describe(make_header(OBJRA=9.8156, OBJDEC=13.7441, OBJECT="x", TCSTGT="x"))
    assert away.kind == "object"


def test_a_frame_named_after_a_standard_elsewhere_is_an_object_with_a_remark(make_header) -> None:
    info = INSTRUMENT.describe(make_header(TCSTGT="SP0946+139", RA=150.0, DEC=40.0))
    assert info.kind == "object"
    assert any("HD84937" in remark for remark in info.remarks)


def test_an_arc_carries_the_target_it_was_taken_at(make_header) -> None:
    arc = make_header(IMAGETYP="WAVE,LAMP", CLAMP1=1, CMIRROR=1, OBJECT="He SN2020xyz")
    assert INSTRUMENT.describe(arc).coordinates["target"] == "SN2020xyz"
    at_standard = make_header(IMAGETYP="WAVE,LAMP", CLAMP1=1, CMIRROR=1, TCSTGT="SP1036+433", RA=159.9031, DEC=43.1026)
    assert INSTRUMENT.describe(at_standard).coordinates["target"] == "Feige34"


@pytest.mark.parametrize(
    ("changes", "lamp"),
    [
        ({"CLAMP1": 1, "CLAMP2": 1}, "He+Ne"),
        ({"CLAMP4": 1}, "ThAr"),
        ({"CLAMP3": 1}, "Halogen"),
        ({"CLAMP1": 1, "CLAMPNM1": "Ne"}, "Ne"),
        ({"CLAMP1": 1, "CLAMPNM1": None}, "He"),
        ({"BFLMP2": 1}, "Ar"),
        ({"CLAMP1": 1, "CMIRROR": 0}, ""),
    ],
)
def test_lamps(make_header, changes: dict[str, object], lamp: str) -> None:
    info = INSTRUMENT.describe(make_header(**{"IMAGETYP": "WAVE,LAMP", **LAMP, **changes}))
    assert info.coordinates["lamp"] == lamp


def test_every_filter_in_the_beam_counts(make_header) -> None:
    header = make_header(FAFLTNM="V_Bes 530_80", FAFLTID=75, FBFLTNM="WG345 356_LP", FBFLTID=94, ALFLTNM="strange 1")
    info = INSTRUMENT.describe(header)
    names = info.coordinates["filter"].split("+")
    assert names[1:] == ["WG345", "strange 1"]
    assert any("strange 1" in remark for remark in info.remarks)


def test_what_the_tables_do_not_know_keeps_its_name(make_header) -> None:
    info = INSTRUMENT.describe(make_header(ALGRNM="Grism_#99", ALAPRTNM="MOS_mask_7"))
    assert info.coordinates["grism"] == "Grism_#99"
    assert info.coordinates["slit"] == "MOS_mask_7"
    assert info.coordinates["setup"] == "Grism_99_MOS_mask_7"
    assert sum("not in the tables" in remark for remark in info.remarks) == 2
    with pytest.raises(DataError, match="Grism_#99"):
        INSTRUMENT.disperser(make_header(ALGRNM="Grism_#99"))


def test_a_missing_filter_wheel_is_remarked(make_header) -> None:
    assert any("FBFLTNM" in r for r in INSTRUMENT.describe(make_header(FBFLTNM=None)).remarks)


def test_frames_of_2017_lack_some_keywords(make_header) -> None:
    info = INSTRUMENT.describe(
        make_header(DATE_AVG=None, DATE_OBS="2017-03-01T00:00:00", ALAPRORI=None, FPIX=None, GAIN=0.33, RDNOISE=4.2)
    )
    assert info.kind == "object"
    assert info.time == pytest.approx(57813.0 + 300 / 86400)
    assert any("DATE-AVG" in remark for remark in info.remarks)


def test_a_target_without_a_name_is_told(make_header) -> None:
    info = INSTRUMENT.describe(make_header(OBJECT=None, TCSTGT=" "))
    assert info.kind == "object" and info.object == "unnamed"
    assert [remark for remark in info.remarks if "OBJECT" in remark and "called 'unnamed'" in remark]


@pytest.mark.parametrize(
    ("changes", "keyword"),
    [
        ({"EXPTIME": None}, "EXPTIME"),
        ({"EXPTIME": "long"}, "EXPTIME"),
        ({"EXPTIME": -1.0}, "EXPTIME"),
        ({"DATE_AVG": "yesterday"}, "DATE-AVG"),
        ({"DATE_AVG": None, "DATE_OBS": None}, "DATE-OBS"),
        ({"ALGRNM": None}, "ALGRNM"),
        ({"ALAPRTNM": None}, "ALAPRTNM"),
    ],
)
def test_a_missing_or_malformed_keyword_is_named(make_header, changes: dict[str, object], keyword: str) -> None:
    with pytest.raises(DataError, match=rf"ALTe010001\.fits: keyword {keyword}"):
        INSTRUMENT.describe(make_header(**changes))


def test_recognises_its_own_headers_only(make_header) -> None:
    assert INSTRUMENT.recognises(make_header())
    assert INSTRUMENT.recognises(make_header(INSTRUME="ALFOSC"))
    assert not INSTRUMENT.recognises(make_header(INSTRUME="EFOSC"))
    assert not INSTRUMENT.recognises(make_header(INSTRUME=None))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None, derandomize=True)
@given(target=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_any_name_gives_a_safe_setup(make_header, target: str) -> None:
    setup = INSTRUMENT.describe(make_header(ALAPRTNM=f"x{target}"[:60].replace("'", ""))).coordinates["setup"]
    assert setup
    assert not set(setup) & set("/\\: #\"'*?<>|")
    assert not setup.startswith(".")


@pytest.mark.parametrize("row", records("slits"), ids=lambda row: row["name"])
def test_every_slit_is_found_by_its_name(row: dict[str, object]) -> None:
    for name in (row["name"], str(row["name"]).lower(), str(row["name"]).replace("_", " ")):
        slit = find_slit(str(name))
        assert (slit.name, slit.width, slit.orientation) == (row["name"], row["width"], row["orientation"])


@pytest.mark.parametrize(
    ("name", "width"), [("Slit_0.4", 0.45), ("Slit_0.5", 0.55), ("Slit_2.5", 2.4), ("Slit_1.3", 1.3)]
)
def test_slits_have_their_true_width(name: str, width: float) -> None:
    assert find_slit(name).width == width


def test_an_unlisted_width_of_a_known_family_is_taken_from_the_name() -> None:
    slit = find_slit("Vert_3.3")
    assert (slit.width, slit.orientation, slit.known) == (3.3, "Vertical", True)


def test_an_unknown_aperture_follows_the_header() -> None:
    slit = find_slit("Mask_A", "Vertical")
    assert (slit.name, slit.orientation, slit.known) == ("Mask_A", "Vertical", False)
    assert np.isnan(slit.width)


@pytest.mark.parametrize("row", records("filters"), ids=lambda row: row["name"])
def test_every_filter_is_found_by_name(row: dict[str, object]) -> None:
    same = [other["short"] for other in records("filters") if other["name"] == row["name"]]
    assert find_filter(str(row["name"])).name in same
    assert find_filter("renamed", int(str(row["id"]))).name == row["short"]


@pytest.mark.parametrize("row", records("grisms"), ids=lambda row: row["name"])
def test_every_grism_is_found_however_it_is_written(row: dict[str, object]) -> None:
    for form in ("Grism_#{}", "Grism #{}", "Gr#{}", "grism{}", "GRISM_{}"):
        assert find_grism(form.format(row["number"])).name == row["name"]


@pytest.mark.parametrize("name", ["Open", "Open_(Lyot)", "open", "Free", ""])
def test_open_positions(name: str) -> None:
    assert find_grism(name).is_open
    assert find_filter(name).is_open
    assert find_slit(name).is_open
