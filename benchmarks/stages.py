"""Time and memory of each stage, and of the whole, on the real night and on the simulated one.

    python benchmarks/stages.py [--real FOLDER OF RAW FRAMES] [--jobs N]

Each night is reduced by the command line: cold, again with nothing changed, and once in a single process for the
times of the stages. Memory is the sum over all processes of what is theirs alone plus their share of what is common
(PSS), sampled every 50 ms, so Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAM = [sys.executable, "-m", "alfosc_reduce"]


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from descendants(int(child))


def memory_of(pid: int) -> float:
    """Return the memory of a process tree in MB."""
    total = 0
    for member in descendants(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return wall seconds and peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = [0.0]
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.05):
            try:
                peak[0] = max(peak[0], memory_of(process.pid))
            except OSError:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - started
    finished.set()
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return seconds, peak[0]


def stages(folder: Path) -> Iterator[str]:
    """Yield a line a step: number of tasks, their total time, and the memory its process had reached."""
    rows: dict[str, list[tuple[float, int]]] = {}
    for path in (folder / ".alfosc-reduce" / "products").rglob("record.json"):
        activity = json.loads(path.read_text())["activity"]
        rows.setdefault(activity["uses"], []).append((activity["seconds"], activity["peak_mb"]))
    for name, tasks in sorted(rows.items(), key=lambda row: -sum(seconds for seconds, _ in row[1])):
        total, peak = sum(seconds for seconds, _ in tasks), max(mb for _, mb in tasks)
        yield f"    {name:<22}{len(tasks):4d} tasks {total:8.2f} s {total / len(tasks):8.3f} s each {peak:6d} MB"


def benchmark(name: str, raw: Path, jobs: int) -> None:
    """Print the figures of one night."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        subprocess.run([*PROGRAM, "init", "spec", str(raw), "-o", text], check=True, stdout=subprocess.DEVNULL)
        run = [*PROGRAM, "run", str(folder / "recipe.toml"), "--quiet", "--jobs"]
        cold, peak = timed([*run, str(jobs)])
        again, _ = timed([*run, str(jobs)])
        print(f"{name}: {jobs} processes: {cold:.1f} s, {peak:.0f} MB; again with nothing changed {again:.1f} s")
        alone, peak = timed([*run, "1", "--fresh"])
        print(f"  one process: {alone:.1f} s, {peak:.0f} MB")
        print(*stages(folder), sep="\n")


def main() -> None:
    """Benchmark both nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, default=Path("../shared/data/alfosc-longslit"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.real.is_dir():
        benchmark("real night", arguments.real, arguments.jobs)
    with tempfile.TemporaryDirectory() as text:
        from alfosc_reduce.registry import load_plugin

        load_plugin("alfosc_reduce.demos", "spec")().make(Path(text))
        benchmark("simulated night", Path(text) / "raw", arguments.jobs)


if __name__ == "__main__":
    main()
