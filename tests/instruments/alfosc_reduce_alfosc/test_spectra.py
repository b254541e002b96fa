"""Grisms, lamp lines, extinction: the tables against themselves and against real arcs."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from alfosc_reduce_alfosc.spectra import LAMPS, air_wavelength
from alfosc_reduce_alfosc.tables import DATA, records, table
from astropy.io import fits

from alfosc_reduce.errors import DataError

INSTRUMENT = Alfosc()
ARCS = ("4", "5", "7", "8", "17", "18", "19", "20")


def real_arc(testdata, grism: str) -> tuple[np.ndarray, np.ndarray, int]:
    with fits.open(testdata / "arcs-alfosc" / f"not_alfosc_grism{grism}.fits") as units:
        found = units[1].data
        binning = int(units[1].header["BINSPEC"])
        return np.array(found["wave"], float), np.array(found["flux"], float), binning


@pytest.mark.parametrize("row", records("grisms"), ids=lambda row: row["name"])
def test_the_range_of_a_grism_fits_on_the_detector(make_header, row: dict[str, object]) -> None:
    grism = INSTRUMENT.disperser(make_header(ALGRNM=row["name"]))
    first, last = grism.wavelengths
    assert 0 < grism.dispersion < 15
    assert 3000 < first < last < 11100
    assert (last - first) / grism.dispersion < 2350
    assert grism.second_order is None or first < grism.second_order < last


@pytest.mark.parametrize("grism", ["4", "5", "7", "8", "17", "18", "19", "20"])
def test_published_dispersions_agree_with_real_arcs(testdata, make_header, grism: str) -> None:
    """Within 13 %: the published numbers are rounded. Grisms 3, 10 and 11 disperse 10 to 20 % more than published."""
    wave, _, binning = real_arc(testdata, grism)
    known = INSTRUMENT.disperser(make_header(ALGRNM=f"Grism_#{grism}"))
    inside = (wave > known.wavelengths[0]) & (wave < known.wavelengths[1])
    assert np.median(np.diff(wave)[inside[1:]]) / binning == pytest.approx(known.dispersion, rel=0.13)


@pytest.mark.parametrize("grism", ["3", "4", "5", "7", "8", "10", "11", "17", "18", "19", "20"])
def test_measured_scales_agree_with_real_arcs(testdata, make_header, grism: str) -> None:
    """Where the arcs have lines, to 20 unbinned pixels after one shift: 11 is itself wrong by that much in places."""
    wave, _, binning = real_arc(testdata, grism)
    known = INSTRUMENT.disperser(make_header(ALGRNM=f"Grism_#{grism}"))
    assert known.centre is not None
    pixel = (np.arange(len(wave)) + 0.5) * binning + 0.5
    detector = pixel if grism == "17" else 2103 - pixel
    u = (detector - known.centre) * (1 if grism == "17" else -1) / 1000
    ours = np.polynomial.polynomial.polyval(u, known.scale)
    inside = (wave > max(3880, known.wavelengths[0])) & (wave < min(9700, known.wavelengths[1]))
    away = ((ours - wave) / np.gradient(wave) * binning)[inside]
    assert abs(np.median(away)) < 60
    assert np.abs(away - np.median(away)).max() < 20


def test_lines_are_complete_and_sane() -> None:
    lines = INSTRUMENT.lamp_lines(LAMPS)
    wave = lines["wavelength"].to_value("Angstrom")
    assert set(np.asarray(lines["ion"])) == {"He I", "Ne I", "Ar I", "Ar II", "Th I", "Th II"}
    assert (np.diff(wave) >= 0).all()
    assert (np.asarray(lines["strength"]) > 0).all()
    assert wave[0] < 3200
    assert wave[-1] > 10500


def test_air_and_vacuum_belong_together() -> None:
    lines = INSTRUMENT.lamp_lines(LAMPS)
    difference = air_wavelength(lines["wavelength"].value) - lines["wavelength_air"].value
    assert np.abs(difference).max() < 0.001


@pytest.mark.parametrize(
    ("lamp", "vacuum", "air"),
    [
        ("He", 5877.249, 5875.621), ("He", 3889.750, 3888.648), ("Ne", 6404.018, 6402.248), ("Ne", 7034.352, 7032.413),
        ("Ar", 7637.208, 7635.106), ("Ar", 4159.762, 4158.590), ("Th", 6459.067, 6457.283), ("Th", 5762.148, 5760.551),
    ],
)  # fmt: skip
def test_well_known_lines_are_there_in_air_and_vacuum(lamp: str, vacuum: float, air: float) -> None:
    """Air wavelengths as printed by NIST: an independent check of the conversion, too."""
    lines = INSTRUMENT.lamp_lines([lamp])
    nearest = int(np.argmin(np.abs(lines["wavelength"].value - vacuum)))
    assert lines["wavelength"].value[nearest] == pytest.approx(vacuum, abs=0.002)
    assert lines["wavelength_air"].value[nearest] == pytest.approx(air, abs=0.003)


def test_argon_is_an_impurity_of_neon_and_no_line_is_there_twice() -> None:
    neon, both = INSTRUMENT.lamp_lines(["Ne"]), INSTRUMENT.lamp_lines(["Ne", "Ar"])
    impure = neon[np.asarray(neon["ion"]) == "Ar I"]
    assert 7637.208 in impure["wavelength"].value
    assert max(impure["strength"]) < 0.01 * max(neon["strength"])
    assert (np.diff(both["wavelength"].value) > 0).all()
    strong = both[np.asarray(both["wavelength"].value) == 7637.208]
    assert strong["strength"][0] > 100 * max(impure["strength"][impure["wavelength"].value == 7637.208])


def test_joined_lamps_stand_for_their_parts() -> None:
    assert len(INSTRUMENT.lamp_lines(["HeNe"])) == len(INSTRUMENT.lamp_lines(["He", "Ne"]))
    assert len(INSTRUMENT.lamp_lines(["ThAr"])) == len(INSTRUMENT.lamp_lines(["Ar", "Th"]))
    with pytest.raises(DataError, match="no lines of lamp 'Hg'"):
        INSTRUMENT.lamp_lines(["Hg"])


@pytest.mark.parametrize("grism", ARCS)
def test_the_strong_lines_of_real_arcs_are_in_the_table(testdata, grism: str) -> None:
    """Of the forty highest peaks where there are lines, nine in ten lie at a strong line of the table."""
    from scipy.signal import find_peaks

    wave, flux, _ = real_arc(testdata, grism)
    lines = INSTRUMENT.lamp_lines(["He", "Ne"] if grism in "45" else LAMPS)
    strong = lines["wavelength"].value[np.asarray(lines["strength"]) > 300]
    inside = (wave > 3880) & (wave < 9300)
    peaks, _ = find_peaks(np.where(inside, flux, 0), prominence=60)
    peaks = peaks[np.argsort(-flux[peaks])][:40]
    distance = np.abs(wave[peaks, None] - strong).min(axis=1) / np.gradient(wave)[peaks]
    assert np.mean(np.abs(distance) < 2.5) >= 0.9


@pytest.mark.parametrize("grism", ["7", "8", "19", "20"])
def test_strengths_predict_what_real_arcs_show(testdata, grism: str) -> None:
    """He, Ne and Ar lines that stand alone: observed over tabulated light scatters by less than 0.2 dex in a lamp."""
    wave, flux, _ = real_arc(testdata, grism)
    step = float(np.median(np.diff(wave)))
    for lamp in ("Ne", "Ar"):
        lines = INSTRUMENT.lamp_lines([lamp])
        mine = lines[(np.asarray(lines["strength"]) > 2e4) & np.char.startswith(np.asarray(lines["ion"]), lamp)]
        everything = INSTRUMENT.lamp_lines(LAMPS)
        light = np.asarray(everything["strength"]) * (everything["wavelength"].value > 0)
        ratios = []
        for line, strength in zip(mine["wavelength"].value, np.asarray(mine["strength"]), strict=True):
            near = np.abs(everything["wavelength"].value - line) < 8 * step
            if not wave[20] < line < wave[-20] or light[near].sum() > 1.1 * strength:
                continue
            window = np.abs(wave - line) < 5 * step
            ratios.append(np.log10((flux[window] - np.percentile(flux[window], 10)).sum() / strength))
        if len(ratios) > 3:
            trend = np.polynomial.Polynomial.fit(np.arange(len(ratios)), ratios, 1)(np.arange(len(ratios)))
            assert np.std(np.array(ratios) - trend) < 0.2, lamp


def test_the_extinction_of_la_palma() -> None:
    extinction = INSTRUMENT.extinction()
    wave, value = extinction["wavelength"].value, extinction["extinction"].value
    assert (np.diff(wave) > 0).all()
    assert np.interp([4000, 5500, 7000, 9000], wave, value) == pytest.approx([0.2935, 0.105, 0.037, 0.01], abs=0.02)
    smooth = (wave > 3300) & (wave < 5500)
    assert (np.diff(value[smooth]) < 0).all()


def test_the_telescope_stands_on_la_palma() -> None:
    here = INSTRUMENT.site()
    assert here.lon.deg == pytest.approx(-17.885, abs=0.001)
    assert here.lat.deg == pytest.approx(28.757, abs=0.001)
    assert here.height.value == pytest.approx(2382, abs=30)


def test_every_table_names_its_source_and_the_whole_is_small() -> None:
    for name in ("detectors", "grisms", "slits", "filters", "lamp_lines", "extinction", "site", "standards"):
        assert len(table(name).meta["source"]) > 10
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 4e6


def test_the_recipe_for_spectra_is_where_it_is_said_to_be() -> None:
    assert INSTRUMENT.recipes()["spec"].name == "spec.toml"


@pytest.mark.parametrize(
    "name", ["detectors", "grisms", "slits", "filters", "lamp_lines", "extinction", "site", "standards"]
)
def test_the_quick_reader_reads_what_astropy_reads(name: str) -> None:
    slow = table(name)
    assert len(records(name)) == len(slow)
    for column in slow.colnames:
        theirs = [] if len(slow) == 0 else getattr(slow[column], "value", slow[column]).tolist()
        for ours, value in zip((row[column] for row in records(name)), theirs, strict=True):
            assert ours == value or (ours != ours and value != value) or (ours == "" and value is None)
