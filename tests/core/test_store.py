"""The store gives out only what was made whole; one run at a time works in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alfosc_reduce.errors import DataError, ReductionError
from alfosc_reduce.fingerprint import FileHashes, digest, file_digest
from alfosc_reduce.locking import only_run
from alfosc_reduce.store import Store

KEY = "ab" + "0" * 30


def make(store: Store, key: str = KEY, **quality: Any) -> None:
    with store.making(key) as folder:
        (folder / "result.fits").write_bytes(b"bytes")
        store.write_record(folder, {"entity": {"outputs": {"result": "CCDData"}}, "quality": quality})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_was_made_is_there(store: Store) -> None:
    assert KEY not in store
    make(store)
    assert KEY in store and store.product(KEY, "result").read_bytes() == b"bytes"
    assert not list((store.folder / "unfinished").iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_failed_half_way_is_not(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error), store.making(KEY) as folder:
        (folder / "result.fits").write_bytes(b"by")
        raise error
    assert KEY not in store and not list((store.folder / "unfinished").iterdir())


def test_what_was_damaged_later_is_not(store: Store) -> None:
    make(store)
    (store.place(KEY) / "record.json").write_text("{")
    assert KEY not in store
    with pytest.raises(DataError, match="the store has no product"):
        store.record(KEY)
    make(store)
    assert KEY in store
    store.product(KEY, "result").unlink()
    assert KEY not in store


def test_full_disk_becomes_a_sentence(store: Store) -> None:
    with pytest.raises(ReductionError, match=r"cannot write into .*: No space left on device"), store.making(KEY):
        raise OSError(28, "No space left on device")
    assert KEY not in store


def test_a_real_full_disk_leaves_nothing(store: Store) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from astropy.io.fits import Header; from alfosc_reduce.images import make_image\n"
        "from alfosc_reduce.products import save; from alfosc_reduce.store import Store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        f"store = Store(Path({str(store.folder)!r}))\n"
        f"with store.making({KEY!r}) as folder:\n"
        "    save(make_image(np.zeros((100, 100)), unit='adu', header=Header()), folder / 'result.fits')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    sentence = f"ReductionError: cannot write {store.folder}/result.fits: the disk is full; make room, and run again"
    assert sentence in done.stderr, "with the same words for every task"
    assert KEY not in store and not list((store.folder / "unfinished").iterdir())


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReductionError, match=r"cannot write into .*choose another folder"):
        Store(tmp_path / "file")


def test_making_again_replaces(store: Store) -> None:
    make(store, first=1)
    make(store, second=2)
    assert store.record(KEY)["quality"] == {"second": 2}


def make_undrawn(store: Store) -> None:
    with store.making(KEY) as folder:
        (folder / "result.fits").write_bytes(b"bytes")
        store.write_record(folder, {"entity": {"outputs": {"result": "CCDData"}}, "figures": []})
        store.await_figures(folder)


def test_figures_follow_their_products(store: Store) -> None:
    make_undrawn(store)
    assert KEY in store, "nobody waits for a drawing"
    with store.drawing(KEY) as folder:
        (folder / "look.png").write_bytes(b"png")
        store.add_figures(KEY, folder, {**store.record(KEY), "figures": ["look"]})
    assert store.record(KEY)["figures"] == ["look"] and (store.place(KEY) / "look.png").read_bytes() == b"png"
    store.tidy()
    assert KEY in store and not list((store.folder / "unfinished").iterdir())


def test_products_that_were_never_drawn_are_made_anew(store: Store) -> None:
    make_undrawn(store)
    store.tidy()
    assert KEY not in store


def test_numbers_of_numpy_stay_numbers(store: Store) -> None:
    make(store, a=np.int64(3), b=np.float32(0.5), c=np.bool_(True), d=Path("x"))
    assert store.record(KEY)["quality"] == {"a": 3, "b": 0.5, "c": True, "d": "x"}


def test_forget_and_tidy(store: Store) -> None:
    make(store)
    (store.folder / "unfinished/killed").mkdir()
    store.tidy()
    assert not list((store.folder / "unfinished").iterdir()) and KEY in store
    store.forget()
    assert KEY not in store
    make(store)
    assert KEY in store


def test_second_run_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    with (
        only_run(tmp_path),
        pytest.raises(ReductionError, match=rf"another run \(process {os.getpid()}\) works in"),
        only_run(tmp_path),
    ):
        pass
    with only_run(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    script = (
        "import os, signal; from pathlib import Path; from alfosc_reduce.locking import only_run\n"
        f"with only_run(Path({str(tmp_path)!r})): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with only_run(tmp_path):
        pass


def test_hashes_are_remembered_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alfosc_reduce import fingerprint

    raw, memory = tmp_path / "a.fits", tmp_path / "files.json"
    raw.write_bytes(b"one")
    hashes = FileHashes(memory)
    first = hashes[raw]
    hashes.remember()
    monkeypatch.setattr(fingerprint, "file_digest", lambda path: "read again")
    assert FileHashes(memory)[raw] == first == file_digest(raw)
    raw.write_bytes(b"other")
    assert FileHashes(memory)[raw] == "read again"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 3}'])
def test_damaged_memory_of_hashes_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "files.json").write_text(text)
    (tmp_path / "a").write_bytes(b"one")
    hashes = FileHashes(tmp_path / "files.json")
    assert hashes[tmp_path / "a"] == file_digest(tmp_path / "a")
    hashes.remember()
    assert list(json.loads((tmp_path / "files.json").read_text()))[-1] == str(tmp_path / "a")


def test_vanished_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a: cannot be read: No such file"):
        FileHashes(tmp_path / "files.json")[tmp_path / "a"]


def test_digest_depends_on_values_not_on_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
