"""A catalogue behind a TAP service: what all of them have in common."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import astropy.units as u
from pydantic import Field

from alfosc_reduce.catalog import Catalog, UnavailableError, make_reference
from alfosc_reduce.errors import DataError
from alfosc_reduce.parameters import InUnits
from alfosc_reduce_catalogs.cache import cache_folder, note_failure, shelf_for, since_failure
from alfosc_reduce_catalogs.columns import contents
from alfosc_reduce_catalogs.cone import Cone, cone_of, widened, written
from alfosc_reduce_catalogs.tap import Answer, Patience, QueryError, ServiceError, ask, parsed

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable, Table

logger = logging.getLogger(__name__)

Seconds = Annotated[u.Quantity, InUnits("s")]
"""A time."""

waiting: Callable[[float], None] = time.sleep
"""What is called with seconds between tries; tests put something quicker here."""


@dataclass(frozen=True)
class Query:
    """What to ask, everything but the cone.

    Attributes
    ----------
    columns
        Name in a reference table -> column in ADQL. The names that come back are compared without regard to case.
    table
        What stands after FROM.
    where
        Further conditions in ADQL.
    lacks
        Told to the user if this query had to be used instead of a better one.
    """

    columns: Mapping[str, str]
    table: str
    where: str = ""
    lacks: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    def text(self, cone: Cone | None, rows: int) -> str:
        """Return the query in ADQL; without a cone, as the name under which answers are kept."""
        ra, dec, radius = map(written, (cone.ra, cone.dec, cone.radius)) if cone else ("RA", "DEC", "RADIUS")
        inside = f"1=CONTAINS(POINT('ICRS', {self.columns['ra']}, {self.columns['dec']}), "
        inside += f"CIRCLE('ICRS', {ra}, {dec}, {radius}))"
        conditions = " AND ".join(filter(None, (inside, self.where)))
        columns = ", ".join(dict.fromkeys(self.columns.values()))
        return f"SELECT TOP {rows} {columns} FROM {self.table} WHERE {conditions}"

    def located(self, table: Table) -> dict[str, str]:
        """Return which column of an answer stands for what; raises `DataError` if one is missing."""
        came = {name.lower(): name for name in table.colnames}
        names = {ours: theirs.rpartition(".")[2].strip('"').lower() for ours, theirs in self.columns.items()}
        if missing := [name for name in names.values() if name not in came]:
            raise DataError(
                f"the answer of the service has no column {', '.join(missing)} (it has: {', '.join(table.colnames)})"
            )
        return {ours: came[name] for ours, name in names.items()}


class ServiceCatalog(Catalog):
    """A catalogue behind a TAP service; answers are kept on disk."""

    release: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    declinations: ClassVar[tuple[float, float]] = (-90.0, 90.0)
    by_job: ClassVar[bool] = False

    urls: tuple[str, ...] = Field(default=())
    """Addresses of TAP services that have the catalogue; the second is asked if the first cannot answer."""
    max_rows: int = Field(default=200_000, ge=1)
    """Ask for no more sources than this; where a service has more the table is marked as not complete."""
    connect_timeout: Seconds = 10 * u.s
    """Give up if no connection stands after this time."""
    read_timeout: Seconds = 60 * u.s
    """Give up if the service is silent for so long."""
    timeout: Seconds = 300 * u.s
    """Give up on one try after this time."""
    retries: int = Field(default=2, ge=0)
    """How often to ask again, after 1, 2, 4, ... seconds, before the next address is tried."""
    offline: bool = False
    """Use only what is kept on disk."""

    @abstractmethod
    def queries(self) -> Sequence[Query]:
        """Return what to ask; the later ones are for services that refuse the earlier."""

    def reference(self, table: Table, columns: Mapping[str, str], query: Query) -> dict[str, Any]:
        """Return what `make_reference` takes, of an answer whose columns have these names."""
        return contents(table, columns, query.units)

    def release_name(self) -> str:
        """Return the release, for the record."""
        return self.release

    def covers(self, centre: SkyCoord, radius: u.Quantity) -> bool:
        """Say whether the cone touches the declinations of the survey."""
        low, high = self.declinations
        dec, reach = float(centre.icrs.dec.deg), float(radius.to_value(u.deg))
        return low <= dec + reach and dec - reach <= high

    def sources(self, centre: SkyCoord, radius: u.Quantity) -> QTable:
        """Return the sources in a cone, from the cache or the service; see `Catalog.sources`."""
        cone = cone_of(centre, radius)
        answer, query = self._answer(cone)
        try:
            found = self.reference(answer.table, query.located(answer.table), query)
        except DataError as error:
            raise DataError(
                f"{self.name}: {error}; the service has changed: report it, or try another address"
            ) from None
        return make_reference(
            **found,
            systems=self.bands,
            catalog=self.name,
            centre=centre,
            radius=radius,
            release=self.release_name(),
            source=self.citation,
            complete=not answer.cut and len(answer.table) < self.max_rows,
        )

    def _answer(self, cone: Cone) -> tuple[Answer, Query]:
        """Return the first answer that can be had, of the best query or else of a lesser one, and that query."""
        asked = widened(cone)
        reasons: list[str] = []
        for query in self.queries():
            if answer := self._kept(query, cone, asked) or self._asked(query, cone, asked, reasons):
                if query.lacks:
                    logger.warning("%s: %s", self.name, "; ".join([query.lacks, *reasons]))
                return answer, query
        raise UnavailableError("; ".join(dict.fromkeys(reasons)), self._advice(cone))

    def _kept(self, query: Query, cone: Cone, asked: Cone) -> Answer | None:
        """Return an answer from the cache; one that cannot be read is as good as none."""
        path = shelf_for(self.name, query.text(None, self.max_rows)).find(cone, asked)
        if path is None:
            return None
        try:
            return parsed(path.read_bytes(), str(path))
        except (DataError, OSError) as error:
            logger.info("asking again, because what is kept cannot be read: %s", error)
            return None

    def _asked(self, query: Query, cone: Cone, asked: Cone, reasons: list[str]) -> Answer | None:
        """Ask each address in turn, and add to `reasons` why none answered.

        Another process that asks the same is waited for, and its answer taken.
        """
        if self.offline:
            reasons.append(f"{_place(cone)} is not among what is kept in {cache_folder()}")
            return None
        shelf = shelf_for(self.name, query.text(None, self.max_rows))
        with shelf.alone():
            if kept := self._kept(query, cone, asked):
                return kept
            for url in self.urls:
                if since_failure(url) is not None and any(url in reason for reason in reasons):
                    continue
                try:
                    answer = self._ask(url, query.text(asked, self.max_rows))
                except (ServiceError, QueryError) as error:
                    reasons.append(str(error))
                    continue
                shelf.put(asked, answer.raw, complete=not answer.cut and len(answer.table) < self.max_rows)
                return answer
        if not self.urls:
            reasons.append("no address of a service is given (urls)")
        return None

    def _ask(self, url: str, text: str) -> Answer:
        """Ask one address, unless it has just failed: a night has many fields, and each would wait for it in vain."""
        if (ago := since_failure(url)) is not None:
            raise ServiceError(f"{url} failed {ago:.0f} s ago and is left in peace for a minute")
        try:
            answer = ask(url, text, self.max_rows, self._patience(), job=self.by_job)
        except ServiceError:
            note_failure(url)
            raise
        return answer

    def _patience(self) -> Patience:
        connect, read, whole = (float(t.to_value(u.s)) for t in (self.connect_timeout, self.read_timeout, self.timeout))
        return Patience(connect, read, whole, self.retries + 1, lambda pause: waiting(pause))

    def _advice(self, cone: Cone) -> str:
        """Return what to do without the service."""
        at = f'--at "{cone.ra:.5f} {cone.dec:.5f}" --radius "{60 * cone.radius:.1f} arcmin"'
        return (
            f"With a network, run: alfosc-reduce catalog fetch RECIPE, or alfosc-reduce catalog fetch --catalog "
            f"{self.name} {at}; or name a catalogue of your own (file:FILE)"
        )


def _place(cone: Cone) -> str:
    return f"the field at {cone.ra:.5f} {cone.dec:+.5f} deg, radius {60 * cone.radius:.1f}',"
