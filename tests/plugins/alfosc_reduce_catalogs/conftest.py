"""A small TAP service on loopback with a sky of its own, which misbehaves when it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

QUERY = re.compile(
    r"SELECT TOP (?P<top>\d+) (?P<columns>.*) FROM (?P<table>.*?) WHERE 1=CONTAINS\(POINT\('ICRS', (?P<ra>\S+), "
    r"(?P<dec>\S+)\), CIRCLE\('ICRS', (?P<x>\S+), (?P<y>\S+), (?P<r>\S+)\)\)(?P<where>.*)"
)


@dataclass
class TapService:
    """What a test sees of the service.

    Attributes
    ----------
    tables
        By their name in ADQL; the first columns that a query names are the position.
    script
        What to do with the coming queries, ``ok`` when it is used up: ``503``, ``cut``, ``half``, ``html``, ``silent``,
        ``refuse``, ``overflow``, ``fail``.
    queries
        All that were asked.
    released
        What a silent service waits for.
    """

    url: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    phases: list[str] = field(default_factory=list)
    answer: tuple[int, bytes] = (200, b"")
    deleted: int = 0

    def behaviour(self) -> str:
        return self.script.pop(0) if self.script else "ok"

    def select(self, query: str, limit: int) -> tuple[int, bytes]:
        """Return status and VOTable for a query of the one form that is understood."""
        self.queries.append(query)
        asked = QUERY.fullmatch(query)
        assert asked is not None, query
        if asked["table"] not in self.tables:
            return 400, error_table(f"no table {asked['table']}")
        if self.script[:1] == ["refuse"]:
            return 200, b""  # `behave` says no
        table = self.tables[asked["table"]]
        bare = [name.strip().rpartition(".")[2].strip('"') for name in asked["columns"].split(",")]
        ra, dec = (asked[key].rpartition(".")[2].strip('"') for key in ("ra", "dec"))
        centre = SkyCoord(float(asked["x"]), float(asked["y"]), unit="deg")
        inside = SkyCoord(table[ra], table[dec], unit="deg").separation(centre).deg <= float(asked["r"])
        return 200, votable(table[bare][inside][: min(int(asked["top"]), limit)])


def votable(table: Table, *, overflow: bool = False) -> bytes:
    buffer = BytesIO()
    table.write(buffer, format="votable")
    told = b'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>'
    text = re.sub(rb'<RESOURCE type="results">', told, buffer.getvalue())
    return text.replace(b"</TABLE>", b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>') if overflow else text


def error_table(words: str) -> bytes:
    return (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE '
        f'type="results"><INFO name="QUERY_STATUS" value="ERROR">{words}</INFO></RESOURCE></VOTABLE>'
    ).encode()


def handler(service: TapService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if self.path.endswith("/phase"):
                self.reply(200, b"")
            elif self.path.endswith("/async"):
                service.answer = service.select(form["QUERY"][0], int(form["MAXREC"][0]))
                self.send_response(303)
                self.send_header("Location", f"{service.url}/async/1")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.behave(*service.select(form["QUERY"][0], int(form["MAXREC"][0])))

        def do_GET(self) -> None:
            if self.path.endswith("/results/result"):
                self.behave(*service.answer)
                return
            if self.path.endswith("/error"):
                self.reply(200, error_table("out of memory"))
                return
            asked = self.path.endswith("/phase")
            self.reply(200, (service.phases.pop(0) if asked and service.phases else "COMPLETED").encode())

        def do_DELETE(self) -> None:
            service.deleted += 1
            self.reply(200, b"")

        def behave(self, status: int, body: bytes) -> None:
            match service.behaviour():
                case "503":
                    self.reply(503, b"<html>Service Unavailable, come back later</html>")
                case "cut":
                    self.reply(status, body[: len(body) // 2], length=len(body))
                case "half":
                    self.reply(status, body[: len(body) // 2])
                case "html":
                    self.reply(200, b"<html><body>Log in to this network</body></html>")
                case "silent":
                    service.released.wait(60)
                    self.reply(status, body)
                case "refuse":
                    self.reply(400, error_table("Unknown column"))
                case "fail":
                    self.reply(200, error_table("Ran out of time"))
                case "overflow":
                    body = body.replace(b"</TABLE>", b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>')
                    self.reply(status, body)
                case _:
                    self.reply(status, body)

        def reply(self, status: int, body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-votable+xml")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)
            self.close_connection = True

    return Handler


@pytest.fixture
def tap() -> Iterator[TapService]:
    """A TAP service that runs during the test."""
    service = TapService()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(service))
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}/tap"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield service
    service.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test, and no way round to the service on loopback."""
    monkeypatch.setenv("ALFOSC_REDUCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "catalogs"


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between tries; nobody waits."""
    from alfosc_reduce_catalogs import service

    seconds: list[float] = []
    monkeypatch.setattr(service, "waiting", seconds.append)
    return seconds


Sky = Callable[..., Table]


@pytest.fixture
def gaia_sky() -> Sky:
    """Make the table of Gaia around a position: known stars, of which the first is a quasar without proper motion."""

    def make(ra: float, dec: float, number: int = 200, radius: float = 0.5, seed: int = 1) -> Table:
        rng = np.random.default_rng(seed)
        centre = SkyCoord(ra, dec, unit="deg")
        places = centre.directional_offset_by(
            rng.uniform(0, 360, number) * 1.0 * _deg(), radius * np.sqrt(rng.random(number)) * _deg()
        )
        table = Table(
            {"source_id": np.arange(number) + 4_000_000_000_000_000_000, "ra": places.ra.deg, "dec": places.dec.deg}
        )
        for name, value in {"ra_error": 0.05, "dec_error": 0.06, "pmra_error": 0.07, "pmdec_error": 0.08}.items():
            table[name] = np.full(number, value)
        table["pmra"], table["pmdec"] = rng.normal(0, 10, number), rng.normal(0, 10, number)
        table["pmra"][0] = table["pmdec"][0] = np.nan
        table["ruwe"] = rng.normal(1, 0.05, number)
        table["phot_variable_flag"] = np.where(np.arange(number) % 5 == 1, "VARIABLE", "NOT_AVAILABLE")
        magnitude = rng.uniform(12, 20, number)
        for band, offset in {"g": 0.0, "bp": 0.4, "rp": -0.6}.items():
            table[f"phot_{band}_mean_mag"] = magnitude + offset
            table[f"phot_{band}_mean_flux_over_error"] = np.full(number, 217.147)
        for name in [*(f"{b}_sdss" for b in "ugriz"), *(f"{b}_jkc" for b in "ubvri")]:
            table[f"{name}_mag"] = np.where(magnitude < 17.65, magnitude + 0.1, np.nan)
            table[f"{name}_flag"] = (magnitude < 17).astype(np.int16)
            table[f"{name}_flux"], table[f"{name}_flux_error"] = np.full(number, 1e-16), np.full(number, 1e-18)
        return table

    return make


def _deg() -> Any:
    import astropy.units as u

    return u.deg


@pytest.fixture
def gaia(tap: TapService, gaia_sky: Sky) -> Callable[..., Any]:
    """Return the Gaia catalogue of the small service, after filling it with stars around a position."""
    from alfosc_reduce_catalogs.gaia import GaiaCatalog

    def make(ra: float = 150.0, dec: float = 2.0, *, synthetic: bool = True, **parameters: Any) -> Any:
        table = gaia_sky(ra, dec)
        tap.tables["gaiadr3.gaia_source AS g"] = table
        if synthetic:
            first = GaiaCatalog().queries()[0].table
            tap.tables[first] = table
        return GaiaCatalog(urls=(tap.url,), **parameters)

    return make
