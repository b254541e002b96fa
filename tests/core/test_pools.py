"""The same tasks here, on processes and on a Dask cluster: the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alfosc_reduce.errors import ConfigurationError
from alfosc_reduce.pools import Here, Processes, give_back_memory, import_ahead, opener, start, worker_environment

Reduce = Callable[..., SimpleNamespace]


@pytest.fixture
def dask_address(toys: SimpleNamespace) -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        with distributed.LocalCluster(**options, dashboard_address=None, silence_logs=50) as cluster:
            yield cluster.scheduler_address


def products(folder: Path) -> dict[str, str]:
    """Return the hash of each product, by key and output."""
    store = folder / ".alfosc-reduce/products"
    return {str(p.relative_to(store)): sha256(p.read_bytes()).hexdigest() for p in store.rglob("*.fits")}


def test_same_bits_in_this_process_and_on_a_pool(reduce_night: Reduce) -> None:
    here = products(reduce_night(jobs=1).folder)
    pool = reduce_night(jobs=2, fresh=True)
    assert pool.code == 0 and products(pool.folder) == here and len(here) == 28


def test_same_bits_on_a_dask_cluster_and_a_lost_worker_costs_its_task_only(
    reduce_night: Reduce, dask_address: str
) -> None:
    here = products(reduce_night(jobs=1).folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dask = reduce_night(dask=dask_address, fresh=True)
        assert dask.code == 0 and products(dask.folder) == here
        broken = reduce_night("steps.touch.params.fault=leave", "steps.touch.params.victim=HZ 44", dask=dask_address)
    assert broken.code == 1 and [n for n, s in broken.states.items() if s == "failed"] == ["touch[toy5]"]
    assert "its process was lost" in broken.tasks["touch[toy5]"]["message"]
    assert list(broken.states.values()).count("done") == 22


def test_a_plain_script_is_not_run_again_by_the_workers(night: Path) -> None:
    script = night / "mine.py"
    script.write_text(
        "from pathlib import Path\n"
        "from alfosc_reduce.reduction import Choices, reduce\n"
        "with open('ran', 'a') as stream: stream.write('once')\n"
        "raise SystemExit(reduce(Path('recipe.toml'), Choices(jobs=2)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=night, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (night / "ran").read_text() == "once"


def test_what_is_announced_is_there_before_its_task_ends(tmp_path: Path, toys: SimpleNamespace) -> None:
    from alfosc_reduce_toys.announcements import announcing, failing, silent

    pool = Processes(2)
    for name in ("first", "second"):
        os.mkfifo(tmp_path / name)
    running = {name: start(pool, announcing, str(tmp_path), name) for name in ("first", "second")}
    assert {name: future.result(timeout=60) for name, future in running.items()} == {
        "first": "first",
        "second": "second",
    }
    for name in running:
        (tmp_path / name).write_text("go on")
    assert start(pool, silent, "third").result(timeout=60) == "third"
    with pytest.raises(KeyError, match="no such thing"):
        start(pool, failing).result(timeout=60)
    pool.shutdown()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell how much memory is held")
def test_freed_memory_is_given_back() -> None:
    kept = [bytearray(60_000) for _ in range(4000)]
    between = bytearray(60_000)
    held = resident()
    del kept
    give_back_memory(above=0)
    assert resident() < held - 100_000_000 and len(between) == 60_000


def test_no_cluster_is_told() -> None:
    pytest.importorskip("distributed")
    open_pool, _ = opener(None, "nowhere")
    with pytest.raises(ConfigurationError, match="--dask nowhere: no cluster answers there"):
        open_pool()


def test_number_of_jobs() -> None:
    assert opener(1, None) == (Here, 1)
    assert opener(3, None)[1] == 4
    for jobs in (0, -2):
        with pytest.raises(ConfigurationError, match="must be at least 1"):
            opener(jobs, None)


def test_workers_use_worker_environment_and_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with worker_environment():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_workers_end_at_once_if_nobody_waits(tmp_path: Path) -> None:
    # A function of this file would not do: workers can import only what is installed.
    os.mkfifo(tmp_path / "never")
    pool = Processes(1)
    future = pool.submit(Path.read_text, tmp_path / "never")
    with (tmp_path / "never").open("w"):  # opens when the worker has opened it, and says nothing
        pool.shutdown(wait=False)
        assert future.exception() is not None


def test_an_idle_process_imports_what_is_needed_next(toys: SimpleNamespace) -> None:
    from alfosc_reduce_toys.announcements import knows

    pool = Processes(1)
    assert not pool.submit(knows, "wave").result(timeout=60)
    import_ahead(pool, "no_such_module")
    import_ahead(pool, "wave")
    assert pool.submit(knows, "wave").result(timeout=60), "and what cannot be imported does no harm"
    import_ahead(Here(), "no_such_module")
    pool.shutdown()
