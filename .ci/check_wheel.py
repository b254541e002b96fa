"""Check that a wheel holds every tracked file of the packages: modules, data tables, recipes, py.typed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

HOUSES = ("", "plugins/", "instruments/")


def packaged() -> set[str]:
    """Return the files that must be in the wheel, as paths inside it."""
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    inside = (name.removeprefix(house) for house in HOUSES[1:] for name in listed if name.startswith(house))
    return {*inside, *(name for name in listed if name.startswith("alfosc_reduce/"))}


def main(wheel: Path) -> int:
    """Print what is missing; return 1 if anything is."""
    with zipfile.ZipFile(wheel) as archive:
        present = set(archive.namelist())
    wanted = packaged()
    missing = sorted(wanted - present)
    packages = {PurePosixPath(name).parts[0] for name in wanted}
    missing += [f"{name}/py.typed" for name in sorted(packages) if f"{name}/py.typed" not in present]
    for name in missing:
        print(f"missing from {wheel.name}: {name}")
    print(f"{wheel.name}: {len(wanted)} files of {len(packages)} packages, {len(missing)} missing")
    return 1 if missing or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
