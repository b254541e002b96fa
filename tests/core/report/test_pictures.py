"""Figures inside the page: readable, small, and never the end of it."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alfosc_reduce.report.pictures import SMALL, data_uri, data_uris, size_of


def drawn(path: Path, *, noise: bool) -> Path:
    pixels = np.full((300, 400, 3), 255, np.uint8)
    pixels[100:120, 50:350] = (200, 30, 40)
    if noise:
        pixels[150:] = np.random.default_rng(1).integers(0, 255, (150, 400, 1))
    Image.fromarray(pixels).save(path)
    return path


def opened(address: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(b64decode(address.partition(",")[2]))).convert("RGB"), float)


@pytest.mark.parametrize("noise", [False, True])
def test_figure_in_the_page_looks_like_the_file(tmp_path: Path, noise: bool) -> None:
    path = drawn(tmp_path / "a.png", noise=noise)
    address = data_uri(path)
    assert address.startswith("data:image/webp" if path.stat().st_size > SMALL else "data:image/png")
    assert (path.stat().st_size > SMALL) == noise
    shown, true = opened(address), np.asarray(Image.open(path).convert("RGB"), float)
    assert shown.shape == true.shape and np.abs(shown - true)[:140].mean() < 2
    assert len(address) < 1.4 * path.stat().st_size
    assert size_of(path) == (400, 300)


def test_room_is_kept_and_damaged_files_are_left_out(tmp_path: Path) -> None:
    paths = [drawn(tmp_path / f"{i}.png", noise=False) for i in range(40)]
    paths[3].write_bytes(b"no picture" * SMALL)
    paths[4].unlink()
    found = data_uris([*paths, *paths])
    assert [path for path in paths if not found[path]] == paths[3:5]
    assert len(data_uris(paths, room=1)) == 32 and data_uris(paths, room=0) == {}
