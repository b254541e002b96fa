"""The report in a real browser without a display: its script runs, the plots move, and it fits a phone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
PHONE, DESKTOP = (390, 844), (1280, 900)

PROBE = """<script>
(async () => {
  const told = { ready: document.body.dataset.ready, overflow: document.documentElement.scrollWidth - innerWidth };
  const place = document.querySelector(".plot"), canvas = place.querySelector("canvas");
  const view = () => place.dataset.view.split(" ").map(Number);
  const press = (text) => {
    [...place.querySelectorAll("button")].find((b) => b.textContent === text).click();
    return view();
  };
  const send = (type, x, more) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: "mouse",
    clientX: canvas.getBoundingClientRect().left + x, clientY: canvas.getBoundingClientRect().top + 90, ...more }));
  const frame = () => new Promise((go) => setTimeout(go, 100));
  const own = (name) => {
    const c = canvas.getContext("2d"), found = c.getImageData(0, 0, canvas.width, canvas.height).data;
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const rgb = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    let count = 0;
    for (let i = 0; i < found.length; i += 4) if (rgb.every((v, k) => Math.abs(v - found[i + k]) < 8)) count++;
    return count;
  };
  told.start = view(); told.first = own("--c0"); told.second = own("--c1");
  press("toy3"); told.both = own("--c1");
  told.without = press("sky") && press("error band");
  told.zoomed = press("zoom in"); told.moved = press("▶"); told.all = press("all");
  const width = canvas.clientWidth;
  send("pointerdown", width * 0.4); send("pointermove", width * 0.6); send("pointerup", width * 0.6);
  told.dragged = view();
  canvas.dispatchEvent(new MouseEvent("dblclick")); told.back = view();
  canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "+" })); told.key = view();
  canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -300, ctrlKey: true, clientX: 200 })); told.wheel = view();
  press("all");
  send("pointerdown", 100, { pointerType: "touch" }); send("pointerdown", 200, { pointerType: "touch", pointerId: 2 });
  send("pointermove", 50, { pointerType: "touch" }); send("pointermove", 250, { pointerType: "touch", pointerId: 2 });
  await frame(); told.pinched = view();
  send("pointerup", 50, { pointerType: "touch" }); send("pointerup", 250, { pointerType: "touch", pointerId: 2 });
  press("all"); send("pointermove", width * 0.5); await frame();
  told.readout = place.querySelector("output").textContent;
  told.hash = location.hash; told.error = document.body.dataset.error || ""; told.owned = window.owned || 0;
  document.body.dataset.told = JSON.stringify(told);
})().catch((error) => { document.body.dataset.told = JSON.stringify({ error: String(error) }); });
</script></body>"""


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., str]:
    """Open a file in a browser with an empty profile; gives what the browser prints."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)} to test the report's script")

    def run(path: Path, *words: str, size: tuple[int, int] = DESKTOP, dark: bool = False, fragment: str = "") -> str:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        theme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        window = f"--window-size={size[0]},{size[1]}"
        command = [
            found,
            *FLAGS,
            profile,
            theme,
            window,
            "--virtual-time-budget=5000",
            *words,
            f"{path.as_uri()}{fragment}",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    return run


def probed(
    browse: Callable[..., str], report: SimpleNamespace, parse: Any, probe: str = PROBE, **how: Any
) -> dict[str, Any]:
    copy = report.path.with_name("probe.html")
    copy.write_text(report.text.replace("</body>", probe), encoding="utf-8")
    page = parse(browse(copy, "--dump-dom", **how))
    told: dict[str, Any] = json.loads(next(iter(page.attributes("data-told"))))
    return told


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_plots_are_drawn_and_move(browse: Callable[..., str], report: Any, parse: Any, size: tuple[int, int]) -> None:
    told = probed(browse, report(), parse, size=size)
    assert told["error"] == "" and told["ready"] == "2" and told["overflow"] <= 0
    assert told["first"] > 100 and told["second"] == 0 and told["both"] > 100
    low, high = told["start"][:2]
    width = high - low
    assert low < 5000 and high > 5400
    assert told["zoomed"][1] - told["zoomed"][0] == pytest.approx(width / 2, rel=1e-3)
    assert told["moved"][0] > told["zoomed"][0] and told["all"][:2] == told["start"][:2] == told["back"][:2]
    assert 0.15 * width < told["dragged"][1] - told["dragged"][0] < 0.3 * width
    assert told["key"][1] - told["key"][0] == pytest.approx(width / 2, rel=1e-3)
    assert told["wheel"][1] - told["wheel"][0] < told["key"][1] - told["key"][0]
    assert told["pinched"][1] - told["pinched"][0] == pytest.approx(width / 2, rel=0.05)
    assert "toy2: 5" in told["readout"] and "flux" in told["readout"] and "S/N" in told["readout"]
    assert told["hash"].startswith("#t1@4")


def test_link_leads_to_what_it_shows(browse: Callable[..., str], report: Any, parse: Any) -> None:
    page = parse(browse(report().path, "--dump-dom", fragment="#t1@5100-5300@1"))
    first = next(attributes for _, attributes in page.elements if attributes.get("class") == "plot")
    assert [float(word) for word in str(first["data-view"]).split()[:2]] == [5100, 5300]
    pressed = [attributes["aria-pressed"] for tag, attributes in page.elements if "aria-pressed" in attributes]
    assert pressed[:2] == ["false", "true"]


def test_strange_names_do_nothing(
    browse: Callable[..., str], report: Any, parse: Any, spectral_night: Path, toys: SimpleNamespace
) -> None:
    for i, target in enumerate(["<script>window.owned=1</script>", "</script><img src=x onerror=window.owned=1>"]):
        toys.write_frame(spectral_night / f"raw/odd{i}.fits", "object", target, 60001 + i / 10)
    told = probed(browse, report(), parse)
    assert told["ready"] == "4" and told["owned"] == 0 and told["error"] == ""


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_light_and_dark(browse: Callable[..., str], report: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    from PIL import Image

    made, bright = report(), []
    for dark in (False, True):
        picture = tmp_path / f"{dark}.png"
        browse(made.path, f"--screenshot={picture}", size=size, dark=dark)
        shot = np.asarray(Image.open(picture).convert("L"))
        assert shot.shape == size[::-1] and len(np.unique(shot)) > 20
        bright.append(float(np.median(shot)))
    assert bright[0] > 200 and bright[1] < 60


FIELD = """<script>
(async () => {
  const place = document.querySelector(".field"), canvas = place.querySelector("canvas");
  window.requestAnimationFrame = (draw) => setTimeout(draw, 0); // none come on a screen that nobody sees
  const frame = () => new Promise((go) => setTimeout(go, 100));
  const until = async (done) => { for (let i = 0; i < 20 && !done(); i++) await frame(); };
  await until(() => place.dataset.view);
  const view = () => place.dataset.view.split(" ").map(Number);
  const press = (text) => {
    [...place.querySelectorAll("button")].find((b) => b.textContent.startsWith(text)).click();
    return view();
  };
  const light = () => {
    const c = canvas.getContext("2d"), found = c.getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let i = 0; i < found.length; i += 4) sum += found[i] + found[i + 1] + found[i + 2];
    return sum;
  };
  const send = (type, x, y, more) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: "mouse",
    clientX: canvas.getBoundingClientRect().left + x, clientY: canvas.getBoundingClientRect().top + y, ...more }));
  const told = { ready: document.body.dataset.ready, overflow: document.documentElement.scrollWidth - innerWidth };
  told.start = view(); told.light = light();
  press("sources (2)"); told.bare = light(); press("sources (2)");
  told.zoomed = press("zoom in"); told.all = press("all");
  press("zoom in");
  send("pointerdown", 100, 100); send("pointermove", 130, 90); send("pointerup", 130, 90);
  await until(() => view()[1] !== 2.5); told.dragged = view();
  press("all");
  const [nx, ny] = [6, 4];
  send("pointermove", canvas.clientWidth / 2 + (5 - 2.5) * view()[0], canvas.clientHeight / 2 - (3 - 1.5) * view()[0]);
  await until(() => place.querySelector("output").textContent.includes("2, "));
  told.readout = place.querySelector("output").textContent;
  told.error = document.body.dataset.error || "";
  document.body.dataset.told = JSON.stringify(told);
})().catch((error) => { document.body.dataset.told = JSON.stringify({ error: String(error) }); });
</script></body>"""


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_images_of_the_sky_move_and_tell_their_sources(
    browse: Callable[..., str], field_report: Any, parse: Any, size: tuple[int, int]
) -> None:
    told = probed(browse, field_report(), parse, probe=FIELD, size=size)
    assert told["error"] == "" and told["overflow"] <= 0
    scale, x, y = told["start"]
    assert (x, y) == (2.5, 1.5) and told["all"] == told["start"]
    assert told["light"] != told["bare"], "the circles of a layer come and go"
    assert told["zoomed"][0] == pytest.approx(2 * scale, rel=1e-3)
    assert told["dragged"][1] < x and told["dragged"][2] < y
    assert "right ascension 359.979" in told["readout"] and "declination 75.0030" in told["readout"]
    assert "2, 359.980000 +75.003000, r = 17.500 ± 0.010" in told["readout"]
