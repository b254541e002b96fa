"""Files of spectra: lossless for us, readable with nothing of ours, and with masks through our readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from specutils import Spectrum, SpectrumList

from alfosc_reduce import Flag, load, save
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance

N = 40
FLUX_DENSITY = u.erg / u.s / u.cm**2 / u.AA


def spectrum_of(unit: u.UnitBase, scale: float = 1.0, seed: int = 0, **cards: object) -> Spectrum:
    rng = np.random.default_rng(seed)
    flags = np.zeros(N, np.int16)
    flags[5], flags[7] = Flag.COSMIC_RAY, Flag.NONLINEAR
    flux = rng.normal(10, 1, N) * scale
    flux[9] = np.nan
    header = Header({"OBJECT": "GQ125005+280041", "AIRORVAC": "VACUUM", "EXPTIME": 950.0, **cards})
    return make_spectrum(
        np.linspace(3500, 9000, N) * u.AA,
        flux * unit,
        variance=np.full(N, scale**2),
        header=header,
        flags=flags,
        columns={"SKY": rng.normal(50, 1, N) * scale * unit},
    )


@pytest.fixture(params=[u.electron, FLUX_DENSITY], ids=["electron", "flux"])
def two_objects(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, SpectrumList]:
    scale = 1.0 if request.param == u.electron else 1e-17
    spectra = SpectrumList([spectrum_of(request.param, scale, seed, OBJID=seed + 1) for seed in (0, 1)])
    return save(spectra, tmp_path / "a_spec1d.fits"), spectra


def same(a: Spectrum, b: Spectrum) -> None:
    assert a.flux.unit == b.flux.unit
    np.testing.assert_array_equal(a.flux.value, b.flux.value)
    np.testing.assert_array_equal(a.spectral_axis.value, b.spectral_axis.value)
    np.testing.assert_allclose(spectrum_variance(a), spectrum_variance(b), rtol=1e-15)
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(spectrum_flags(a), spectrum_flags(b))
    assert columns_of(a).keys() == columns_of(b).keys()
    assert all(np.array_equal(columns_of(a)[key], columns_of(b)[key]) for key in columns_of(a))


def test_all_objects_come_back(two_objects: tuple[Path, SpectrumList]) -> None:
    path, spectra = two_objects
    for a, b in zip(load(path), spectra, strict=True):
        same(a, b)
        assert header_of(a)["OBJID"] == header_of(b)["OBJID"]


def test_a_second_round_trip_changes_nothing(two_objects: tuple[Path, SpectrumList], tmp_path: Path) -> None:
    path, _ = two_objects
    again = save(load(path), tmp_path / "again.fits")
    assert again.read_bytes() == save(load(again), tmp_path / "third.fits").read_bytes()


def test_specutils_reads_all_objects_with_masks(two_objects: tuple[Path, SpectrumList]) -> None:
    path, spectra = two_objects
    same(Spectrum.read(str(path)), spectra[0])
    same(Spectrum.read(str(path), format="alfosc-reduce", hdu="OBJ2"), spectra[1])
    found = SpectrumList.read(str(path))
    assert len(found) == 2
    same(found[1], spectra[1])


def test_specutils_alone_opens_the_first_object(two_objects: tuple[Path, SpectrumList]) -> None:
    path, spectra = two_objects
    unit = "erg / (s cm2 Angstrom)" if spectra[0].flux.unit != u.electron else "ct"
    program = f"""
import sys
from specutils import Spectrum
import astropy.units as u
s = Spectrum.read({str(path)!r})
assert not any(name.startswith("alfosc") for name in sys.modules)
assert s.flux.unit == u.Unit({unit!r}) and s.spectral_axis.unit == u.AA
assert s.uncertainty.uncertainty_type == "std"
print(repr(float(s.flux.value.sum())), s.meta["header"]["AIRORVAC"])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    total, medium = done.stdout.split()
    assert float(total) == pytest.approx(spectra[0].flux.value.sum(), rel=1e-12)
    assert medium == "VACUUM"


def test_table_reads_it(two_objects: tuple[Path, SpectrumList]) -> None:
    path, spectra = two_objects
    table = Table.read(path, hdu="OBJ2")
    assert table.colnames == ["WAVE", "FLUX", "ERR", "MASK", "FLAGS", "SKY"]
    np.testing.assert_array_equal(table["MASK"], spectra[1].mask)
    assert table["ERR"].mask[9]


def test_a_frame_wcs_does_not_confuse_readers(tmp_path: Path) -> None:
    """Headers of extracted spectra still carry the image's axes; a reader must not take them for the table's."""
    spectrum = spectrum_of(FLUX_DENSITY, 1e-17, CTYPE1="WAVE", CRVAL1=1.0, CDELT1=2.0, CRPIX1=1.0)
    path = save(spectrum, tmp_path / "b.fits")
    same(Spectrum.read(str(path), format="alfosc-reduce"), spectrum)
    plain = Spectrum.read(str(path), format="tabular-fits")
    np.testing.assert_array_equal(plain.spectral_axis.value, spectrum.spectral_axis.value)


def test_readers_are_there_in_any_order_of_imports(two_objects: tuple[Path, SpectrumList]) -> None:
    path, _ = two_objects
    for first, second in (("alfosc_reduce.spectra", "specutils"), ("specutils", "alfosc_reduce.spectra")):
        program = f"import {first}\nimport {second}\nfrom specutils import SpectrumList\n"
        program += f"assert len(SpectrumList.read({str(path)!r})) == 2"
        done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@settings(max_examples=25, deadline=None)
@given(
    unit=st.sampled_from(["electron", "electron / s", "electron / Angstrom", "adu", "", "erg / (Angstrom s cm2)"]),
    values=st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=8),
)
def test_any_unit_and_values_survive(unit: str, values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    wavelength = (4000 + np.arange(len(values))) * u.AA
    spectrum = make_spectrum(wavelength, values * u.Unit(unit), variance=np.ones(len(values)), header=Header())
    path = save(spectrum, tmp_path_factory.mktemp("unit") / "s.fits")
    same(load(path), spectrum)
