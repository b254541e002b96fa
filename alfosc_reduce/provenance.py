"""Provenance: one record a task after the W3C PROV model, and the chain of them inside every published file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from alfosc_reduce.names import plain_ascii
from alfosc_reduce.orders import Input, Order, RawInput

if TYPE_CHECKING:
    from astropy.io import fits

    from alfosc_reduce.store import Store

TABLE = "PROVENANCE"
"""Name of the FITS extension: one row a product, ancestors first, the file itself last."""

NAMED = "parameter"
"""Kind of a file that a parameter names, beside the raw frames."""

_LIBRARIES = ("numpy", "scipy", "astropy", "specutils", "ccdproc", "astroscrappy")


def make_record(
    order: Order,
    outputs: Mapping[str, Any],
    quality: Mapping[str, Any],
    said: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """Return the record of a finished task.

    Returns
    -------
    dict
        ``entity`` (what was made), ``activity`` (which step with which parameters), ``agent`` (who owns the step),
        ``used`` (inputs: keys of products, hashes of raw files), and beside them ``quality``, ``figures`` (none yet),
        ``remarks``.
    """
    return {
        "entity": {"key": order.key, "name": order.name, "outputs": {n: type(p).__name__ for n, p in outputs.items()}},
        "activity": {
            "step": order.facts["step"],
            "uses": order.uses,
            "parameters": dict(order.parameters),
            "files": dict(order.facts.get("files", {})),
            "label": order.facts["label"],
            "coordinates": order.facts["coordinates"],
            "reasons": order.facts["reasons"],
            "seconds": round(seconds, 4),
            "peak_mb": peak_memory(),
        },
        "agent": {"owner": order.facts["owner"], "version": order.facts["version"], "libraries": library_versions()},
        "used": {port: _used(value) for port, value in order.inputs.items()},
        "quality": dict(quality),
        "figures": [],
        "remarks": list(said),
    }


def _used(value: Input | tuple[Input, ...] | None) -> list[dict[str, str]]:
    members = value if isinstance(value, tuple) else (value,) if value else ()
    return [
        {"file": m.path, "content": m.content, "kind": m.kind}
        if isinstance(m, RawInput)
        else {"key": m.task, "output": m.output, "name": m.name}
        for m in members
    ]


def peak_memory() -> int:
    """Return the largest memory that this process has held so far, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def chain(store: Store, key: str) -> list[dict[str, Any]]:
    """Return the records of a product and all its ancestors, ancestors first, each once."""
    found: dict[str, dict[str, Any]] = {}

    def visit(here: str) -> None:
        if here in found:
            return
        record = store.record(here)
        for members in record["used"].values():
            for member in members:
                if "key" in member:
                    visit(member["key"])
        found[here] = record

    visit(key)
    return list(found.values())


def table_hdu(records: Sequence[Mapping[str, Any]]) -> fits.BinTableHDU:
    """Return the chain of records as a FITS table of text columns."""
    from astropy.io import fits
    from astropy.table import Table

    rows = [_row(record) for record in records]
    names = ("key", "name", "step", "owner", "version", "parameters", "inputs", "files")
    table = Table(rows=rows, names=names, dtype=[str] * len(names))
    hdu = fits.table_to_hdu(table)
    hdu.name = TABLE
    return hdu


def _row(record: Mapping[str, Any]) -> tuple[str, ...]:
    used = record["used"]
    inputs = {port: [plain_ascii(m["name"]) for m in members if "name" in m] for port, members in used.items()}
    files = [{"file": m["file"], "content": m["content"]} for members in used.values() for m in members if "file" in m]
    activity, agent = record["activity"], record["agent"]
    named = activity.get("files", {})
    files += [{"file": path, "content": content, "kind": NAMED} for path, content in named.items()]
    name = plain_ascii(record["entity"]["name"])
    return (
        record["entity"]["key"], name, activity["uses"], agent["owner"], agent["version"],
        json.dumps(activity["parameters"]), json.dumps(inputs), json.dumps(files),
    )  # fmt: skip
