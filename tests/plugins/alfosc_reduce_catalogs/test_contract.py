"""The contract of a catalogue, held by those of ours that can be held to it: a file, and Gaia on the small service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord

from alfosc_reduce import Catalog, get_catalog
from alfosc_reduce.testing import CatalogContract

PLACE = (SkyCoord(150, 2, unit="deg"), 20 * u.arcmin)


class TestGaia(CatalogContract):
    @pytest.fixture(autouse=True)
    def _service(self, gaia: Callable[..., Any]) -> None:
        self.of_service = gaia(max_rows=5000)

    @property
    def catalog(self) -> Catalog:  # type: ignore[override]
        return self.of_service  # type: ignore[no-any-return]

    def cone(self) -> Any:
        return PLACE


class TestFile(CatalogContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        rows = "\n".join(f"s{n},{150 + 0.02 * n},2,{15 + n},0.01,1,2" for n in range(-9, 10))
        (tmp_path / "field.csv").write_text(f"name,ra,dec,Vmag,mag_V_error,pmra,pmdec\n{rows}\n")
        self.path = tmp_path / "field.csv"

    @property
    def catalog(self) -> Catalog:  # type: ignore[override]
        return get_catalog("file")(path=self.path, columns={"source_id": "name", "mag_V": "Vmag"}, epoch=2016.0)

    def cone(self) -> Any:
        return PLACE
