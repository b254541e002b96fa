"""The contract of a reference catalogue as a test class; `alfosc_reduce.testing` offers it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import TypeAdapter

from alfosc_reduce.catalog import MAGNITUDE_SYSTEMS, Catalog, bands_of, check_reference, in_cone
from alfosc_reduce.catalog_choice import CatalogChoice
from alfosc_reduce.comparison import differences
from alfosc_reduce.docstrings import parameter_texts
from alfosc_reduce.help_text import documentation_of

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from astropy.units import Quantity


class CatalogContract:
    """What every reference catalogue promises, as tests; a subclass says which, and where it has sources.

    Attributes
    ----------
    catalog
        The catalogue to test, with parameters.
    """

    catalog: ClassVar[Catalog]

    def cone(self) -> tuple[SkyCoord, Quantity]:
        """Return a cone in which the catalogue has at least two sources."""
        raise NotImplementedError("return a position and a radius where there are sources")

    def found(self) -> QTable:
        """Return the sources in that cone."""
        return self.catalog.sources(*self.cone())

    def test_it_says_what_it_is(self) -> None:
        """The catalogue and each of its parameters are documented, and it has a name and a full name."""
        cls = type(self.catalog)
        assert documentation_of(cls), f"{cls.__name__} has no docstring"
        assert cls.name and cls.fullname and cls.footprint, "name, fullname and footprint tell a person what it is"
        bare = [name for name, text in parameter_texts(cls).items() if not text]
        assert not bare, f"write a docstring below the parameter {', '.join(bare)}"
        assert not cls.main or cls.main in cls.model_fields, f"there is no parameter {cls.main!r}, which main names"

    def test_parameters_survive_a_recipe(self) -> None:
        """Parameters written as JSON and read again, or through a pickle, give the same catalogue; none can change."""
        cls = type(self.catalog)
        assert cls.model_validate_json(self.catalog.model_dump_json()) == self.catalog
        assert pickle.loads(pickle.dumps(self.catalog)) == self.catalog
        assert cls.model_config.get("frozen") and cls.model_config.get("extra") == "forbid"

    def test_it_is_found_by_its_name(self) -> None:
        """What stands in a recipe for the catalogue is read back as the same: its entry point has its name."""
        choice: Any = TypeAdapter(CatalogChoice)
        assert choice.validate_python(choice.dump_python(self.catalog, mode="json")) == self.catalog

    def test_the_table_has_the_form(self) -> None:
        """Columns, units and notes are those of a reference table, and it survives the store."""
        table = self.found()
        assert len(table) >= 2, "cone() names a place with at least two sources"
        check_reference(table)
        known = [np.isfinite(np.asarray(table[name])).all() for name in ("ra", "dec", "epoch", "pmra", "pmdec")]
        assert all(known), "positions, epochs and proper motions are numbers (0 where pm_known is false)"
        assert len(set(table["source_id"])) == len(table), "names of sources are unique"

    def test_the_table_survives_the_store(self, tmp_path: Path) -> None:
        """The table comes back from its file the same."""
        from alfosc_reduce.products import load, save

        table = self.found()
        told = differences(table, load(save(table, tmp_path / "reference.fits")))
        assert not told, f"the table came back from its file changed: {told}"

    def test_same_question_same_answer(self) -> None:
        """Two calls agree bit for bit, in the order of the sources too."""
        told = differences(self.found(), self.found())
        assert not told, f"two calls differ: {told}"

    def test_it_gives_what_lies_in_the_cone(self) -> None:
        """Sources lie in the cone; a smaller cone has those of the larger one that lie in it."""
        centre, radius = self.cone()
        whole, half = self.found(), self.catalog.sources(centre, radius / 2)
        assert list(in_cone(whole, centre, radius)["source_id"]) == list(whole["source_id"])
        assert list(in_cone(whole, centre, radius / 2)["source_id"]) == list(half["source_id"])
        assert whole.meta["RADIUS"] == float(radius.to_value("deg")) and self.catalog.covers(centre, radius)

    def test_bands_are_as_promised(self) -> None:
        """The table has no band that `bands` does not name, and both say the same of its system."""
        promised = dict(self.catalog.bands)
        assert set(promised.values()) <= set(MAGNITUDE_SYSTEMS)
        table = self.found()
        assert {band: table.meta["MAGSYS"][band] for band in bands_of(table)}.items() <= promised.items()
        assert table.meta["CATALOG"] == type(self.catalog).name
