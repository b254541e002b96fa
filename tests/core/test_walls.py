"""The walls of the house, read from the source: who may import what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "alfosc_reduce"
PLUGINS = {path.name: path for path in sorted((ROOT / "plugins").glob("*/"))}
INSTRUMENTS = {path.name: path for path in sorted((ROOT / "instruments").glob("*/"))}
STRANGERS = {path.name: path for path in sorted((ROOT / "tests" / "third_party").glob("alfosc*/"))}
GUESTS = PLUGINS | INSTRUMENTS | STRANGERS

OFFERED = {
    "alfosc_reduce",
    *(f"alfosc_reduce.{name}" for name in (
        "catalog", "catalog_choice", "errors", "field", "flags", "images", "instrument", "names", "parameters",
        "products", "products.foreign", "products.image_hdus", "reference", "registry", "spectra", "step", "testing",
    )),
}  # fmt: skip
"""What the core offers to plugins; the rest is how it works inside."""

HEAVY = (
    "astropy.io",
    "astropy.nddata",
    "astropy.table",
    "scipy",
    "specutils",
    "matplotlib",
    "astroscrappy",
    "ccdproc",
    "photutils",
    "pyvo",
    "reproject",
)


def imports(package: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (file, module, name or '') for every import in a package, also those inside functions."""
    for path in sorted(package.rglob("*.py")):
        yield from imports_in(path, ast.walk(ast.parse(path.read_text())))


def imports_in(path: Path, nodes: Iterator[ast.AST]) -> Iterator[tuple[Path, str, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((path, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((path, node.module or "", alias.name) for alias in node.names)


def tops(package: Path) -> set[str]:
    return {module.partition(".")[0] for _, module, _ in imports(package)}


def test_there_is_something_to_guard() -> None:
    assert PLUGINS and INSTRUMENTS and len(list(imports(CORE))) > 50


def test_core_imports_no_plugin_and_no_instrument() -> None:
    bad = [f"{path.name}: {module}" for path, module, _ in imports(CORE) if module.partition(".")[0] in GUESTS]
    assert not bad


def test_core_names_no_plugin_and_no_instrument() -> None:
    """Nor does it reach one by its name in a text, ``import_module("alfosc_reduce_...")``."""
    texts = (path.read_text() for path in sorted(CORE.rglob("*.py")))
    strings = [n.value for t in texts for n in ast.walk(ast.parse(t)) if isinstance(n, ast.Constant)]
    named = [
        s for s in strings if isinstance(s, str) and any(s == guest or s.startswith(f"{guest}.") for guest in GUESTS)
    ]
    assert not named


@pytest.mark.parametrize("name", GUESTS)
def test_guests_import_public_names_only(name: str) -> None:
    bad = [
        f"{path.name}: {module} {found}"
        for path, module, found in imports(GUESTS[name])
        if any(part.startswith("_") and part != "__future__" for part in [*module.split("."), found])
        and module.partition(".")[0] in {"alfosc_reduce", *GUESTS}
    ]
    assert not bad


@pytest.mark.parametrize("name", GUESTS)
def test_guests_use_what_the_core_offers(name: str) -> None:
    used = {(path.name, module) for path, module, _ in imports(GUESTS[name]) if module.split(".")[0] == "alfosc_reduce"}
    assert not {f"{path}: {module}" for path, module in used if module not in OFFERED}


def test_steps_know_no_instrument() -> None:
    bad = {name: tops(path) & set(INSTRUMENTS) for name, path in PLUGINS.items() if name != "alfosc_reduce_simulate"}
    assert not any(bad.values()), bad


def test_no_two_packages_need_each_other() -> None:
    TopologicalSorter({name: tops(path) & set(GUESTS) - {name} for name, path in GUESTS.items()}).prepare()


def modules(package: Path) -> dict[str, set[str]]:
    """Return which modules of a package need which others of it, also for their annotations alone."""

    def name(path: Path) -> str:
        return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")

    needs: dict[str, set[str]] = {name(path): set() for path in sorted(package.rglob("*.py"))}
    for path, module, found in imports(package):
        wanted = f"{module}.{found}" if f"{module}.{found}" in needs else module
        needs[name(path)] |= {wanted} & set(needs) - {name(path)}
    return needs


@pytest.mark.parametrize("name", ["alfosc_reduce", *GUESTS])
def test_no_two_modules_need_each_other(name: str) -> None:
    TopologicalSorter(modules(CORE if name == "alfosc_reduce" else GUESTS[name])).prepare()


@pytest.mark.parametrize("name", GUESTS)
def test_no_two_rooms_of_a_package_need_each_other(name: str) -> None:
    def room(module: str) -> str:
        parts = module.split(".")
        return parts[1] if len(parts) > 2 else module

    needs: dict[str, set[str]] = {}
    for module, wanted in modules(GUESTS[name]).items():
        needs.setdefault(room(module), set()).update({room(other) for other in wanted} - {room(module)})
    TopologicalSorter(needs).prepare()


def top_level(path: Path) -> Iterator[ast.AST]:
    """Yield what runs on import: the statements of the module, without ``if TYPE_CHECKING`` and without functions."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


@pytest.mark.parametrize("name", ["alfosc_reduce", *GUESTS])
def test_modules_import_lightly(name: str) -> None:
    package = CORE if name == "alfosc_reduce" else GUESTS[name]
    found = [
        f"{path.relative_to(package)}: {module}"
        for path in sorted(package.rglob("*.py"))
        for _, module, _ in imports_in(path, top_level(path))
        if module.startswith(HEAVY) and path != CORE / "worker.py"  # which is there to import them early
    ]
    assert not found, "import these inside the functions that need them"
