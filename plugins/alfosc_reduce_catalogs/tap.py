"""Asking a TAP service: time-outs, more than one try, and an answer that is a whole VOTable or a sentence."""

from __future__ import annotations

import gzip
import logging
import re
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import Table

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16
_LONGEST_WAIT = 30.0


class ServiceError(DataError):
    """The service did not answer as it should; another try may help."""


class QueryError(DataError):
    """The service understood, and said no: another try will not help."""


@dataclass(frozen=True)
class Patience:
    """How long and how often a service is asked.

    Attributes
    ----------
    connect, read
        Seconds until a connection stands, and between two pieces of the answer.
    whole
        Seconds for one try, from the question to the last byte.
    tries
        How often to ask.
    wait
        Called with seconds between tries, and while a job runs.
    """

    connect: float
    read: float
    whole: float
    tries: int
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Answer:
    """What a service gave.

    Attributes
    ----------
    table
        Its rows.
    cut
        Whether the service says that there are more.
    raw
        The VOTable as it came.
    """

    table: Table
    cut: bool
    raw: bytes


def ask(url: str, query: str, rows: int, patience: Patience, *, job: bool = False) -> Answer:
    """Return the answer of a TAP service to an ADQL query.

    Parameters
    ----------
    url
        Base address of the service.
    query
        In ADQL.
    rows
        The largest number of rows to give (MAXREC).
    patience
        How long and how often to try.
    job
        Ask with an asynchronous job: some services cut short what is asked directly.

    Raises
    ------
    ServiceError
        If no try had an answer; with what happened in the last one.
    QueryError
        If the service says that the query is wrong.
    """
    for attempt in range(patience.tries):
        try:
            return parsed(_fetched(url, query, rows, patience, job=job), url)
        except ServiceError as error:
            if attempt + 1 == patience.tries:
                times = f" (tried {patience.tries} times)" if patience.tries > 1 else ""
                raise ServiceError(f"{error}{times}") from None
            logger.info("%s; asking again", error)
            patience.wait(min(2.0**attempt, _LONGEST_WAIT))
    raise ServiceError(f"{url} was not asked")


def _fetched(url: str, query: str, rows: int, patience: Patience, *, job: bool) -> bytes:
    import requests

    deadline = time.monotonic() + patience.whole
    try:
        with session(patience) as connection:
            if job:
                return _by_job(url, query, rows, patience, connection, deadline)
            return _read(_submitted(url, query, rows, connection, "sync"), url, deadline)
    except requests.Timeout as error:
        raise ServiceError(f"{url} did not answer in time ({patience.connect:g} s, {patience.read:g} s)") from error
    except (requests.RequestException, OSError) as error:
        raise ServiceError(f"{url} could not be reached or broke off: {_reason(error)}") from error


def session(patience: Patience) -> Any:
    """Return an HTTP session in which every request has the time-outs of `patience`."""
    import requests

    class Session(requests.Session):
        def request(self, *args: Any, **kwargs: Any) -> requests.Response:
            kwargs["timeout"] = (patience.connect, patience.read)
            return super().request(*args, **kwargs)

    return Session()


def _submitted(url: str, query: str, rows: int, connection: Any, mode: str) -> Any:
    from pyvo.dal.tap import TAPQuery

    return TAPQuery(url.rstrip("/"), query, mode=mode, maxrec=rows, session=connection).submit()


def _by_job(url: str, query: str, rows: int, patience: Patience, connection: Any, deadline: float) -> bytes:
    """Run an asynchronous job (UWS) and return its result; the job is taken away again."""
    with _submitted(url, query, rows, connection, "async") as created:
        _read(created, url, deadline)
        job = created.url
    try:
        _read(connection.post(f"{job}/phase", data={"PHASE": "RUN"}), url, deadline)
        phase = _ended(job, url, patience, connection, deadline)
        if phase != "COMPLETED":
            words = message_in(_read(connection.get(f"{job}/error"), url, deadline))
            raise QueryError(f"{url} refused the query: {words or phase}")
        return _read(connection.get(f"{job}/results/result", stream=True), url, deadline)
    finally:
        with suppress(OSError):
            connection.delete(job, allow_redirects=False)


def _ended(job: str, url: str, patience: Patience, connection: Any, deadline: float) -> str:
    """Return the phase in which a job came to an end."""
    pause = 0.25
    while True:
        phase = _read(connection.get(f"{job}/phase"), url, deadline).decode("utf-8", "replace").strip()
        if phase in ("COMPLETED", "ERROR", "ABORTED"):
            return phase
        if phase not in ("PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"):
            raise ServiceError(f"{url} says of its job {phase[:80]!r}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{url} had not finished after {patience.whole:g} s ({phase})")
        patience.wait(pause)
        pause = min(1.5 * pause, 5.0)


def _read(response: Any, url: str, deadline: float) -> bytes:
    """Return the body of a response, read up to a deadline."""
    pieces = []
    with response:
        for piece in response.iter_content(_CHUNK):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise ServiceError(f"{url} sends too slowly; stopped after {sum(map(len, pieces)) / 1e6:.1f} MB")
    body = b"".join(pieces)
    if response.status_code >= 400:
        raise _verdict(response.status_code, message_in(body) or str(response.reason), url)
    return body


def _verdict(status: int, words: str, url: str) -> DataError:
    """Return the error that an HTTP status means: refused for a mistake in the query, else worth another try."""
    said = " ".join(words.split())[:300]
    if status >= 500 or status in (404, 408, 429):
        return ServiceError(f"{url} is not available: {status} {said}")
    return QueryError(f"{url} refused the query: {said}")


def _reason(error: BaseException) -> str:
    """Return the innermost cause of a failed request, without the objects that the libraries wrap around it."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def message_in(body: bytes) -> str:
    """Return what the service says of an error in a VOTable, or in plain text; empty if nothing can be read."""
    text = body.decode("utf-8", "replace")
    found = re.search(r'<INFO[^>]*value="ERROR"[^>]*>(.*?)</INFO>', text, re.DOTALL | re.IGNORECASE)
    return re.sub(r"<!\[CDATA\[|\]\]>|<[^>]+>", "", found[1] if found else text).strip()


def parsed(body: bytes, url: str) -> Answer:
    """Return the table in a VOTable.

    Raises
    ------
    ServiceError
        If there is no whole VOTable: an answer cut off, or a page of a gateway.
    QueryError
        If it reports an error instead.
    """
    from astropy.io.votable import parse

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
            votable = parse(BytesIO(whole), verify="ignore")
            states = {info.name: (info.value, info.content) for info in votable.iter_info() if info.value != "OK"}
            state, words = states.get("QUERY_STATUS", ("OK", ""))
            tables = list(votable.iter_tables())
            table = tables[0].to_table(use_names_over_ids=True) if tables else None
    except Exception as error:  # the parser has many ways to stumble over half a file
        raise ServiceError(f"{url} sent no whole VOTable ({type(error).__name__}, {len(body)} bytes)") from error
    if state == "ERROR":
        raise QueryError(f"{url} refused the query: {' '.join(str(words or 'no reason is given').split())[:300]}")
    if table is None:
        raise ServiceError(f"{url} sent a VOTable without a table")
    return Answer(table, state == "OVERFLOW", body)
