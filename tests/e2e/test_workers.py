"""Real steps in one process, on a pool of processes and on a Dask cluster: the same bits."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("workers")
WORDS = ("--only", "extract", "--only", "rectify", "--target", "TEST1002+2801", "--quiet")


def products(folder: Path) -> dict[str, str]:
    """Return the hash of each product, by key and output."""
    store = folder / ".alfosc-reduce/products"
    return {str(p.relative_to(store)): sha256(p.read_bytes()).hexdigest() for p in store.rglob("*.fits")}


@pytest.fixture
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        with distributed.LocalCluster(**options, dashboard_address=None, silence_logs=50) as found:
            yield found.scheduler_address


def reduced_anew(night: Any, *words: str) -> dict[str, str]:
    shutil.rmtree(night.folder / ".alfosc-reduce")
    ended = night.command("run", str(night.folder / "recipe.toml"), *WORDS, *words)
    assert ended.code == 0
    made = products(night.folder)
    assert {path.rpartition("/")[2] for path in made} >= {"result.fits", "image.fits", "sky.fits"} and len(made) > 30
    return made


def test_same_bits_here_on_a_pool_and_on_a_cluster(night: Any, reduced_night: Path, cluster: str) -> None:
    here = products(reduced_night)
    pool = reduced_anew(night, "--jobs", "2")
    assert pool.items() <= here.items()
    assert reduced_anew(night, "--dask", cluster) == pool
