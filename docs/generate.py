"""Write the reference pages, one a step and one an instrument, from what the installed package says of itself.

python docs/generate.py            write docs/reference/
python docs/generate.py --check    only say what is out of date; exit code 1 if anything is
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from alfosc_reduce import get_instrument, get_step
from alfosc_reduce.help_text import ParameterHelp, documentation_of, parameters_of
from alfosc_reduce.registry import INSTRUMENTS, STEPS, Plugin, plugins
from alfosc_reduce.step import Step

REFERENCE = Path(__file__).with_name("reference")
OWNER = "alfosc-reduce"
NOTE = "<!-- Written by docs/generate.py from the code; do not edit. -->"


def pages() -> dict[str, str]:
    """Return the text of every page by its path below ``reference``."""
    steps, instruments = _ours(STEPS), _ours(INSTRUMENTS)
    found = {f"steps/{name}.md": step_page(plugin, get_step(name)) for name, plugin in steps.items()}
    found |= {f"instruments/{name}.md": instrument_page(name) for name in instruments}
    found["README.md"] = index(steps, instruments)
    return found


def _ours(group: str) -> dict[str, Plugin]:
    return {name: plugin for name, plugin in plugins(group).items() if plugin.owner == OWNER}


def step_page(plugin: Plugin, step: type[Step]) -> str:
    """Return the page of a step: documentation, inputs, outputs, parameters, and how to use it in three places."""
    lines = [NOTE, "", f"# {plugin.name}", "", documentation_of(step), ""]
    lines += ["## Inputs", "", *(f"- `{port}`" for port in step.inputs()), ""]
    lines += ["## Outputs", "", *(f"- `{port}`" for port in step.outputs()), ""]
    lines += ["## Parameters", "", *_parameters(parameters_of(step)), "## Use", "", *_uses(plugin.name, step), ""]
    return "\n".join(lines)


def _parameters(parameters: tuple[ParameterHelp, ...]) -> Iterator[str]:
    if not parameters:
        yield from ("None.", "")
    for parameter in parameters:
        default = "must be given" if parameter.default is None else f"default `{parameter.default}`"
        yield from (f"### `{parameter.name}`", "", f"{parameter.kind}; {default}", "", parameter.text, "")


def _uses(name: str, step: type[Step]) -> Iterator[str]:
    inputs = [port for port in step.inputs() if not port.optional]
    files = " ".join(
        f"{port.name}.fits{'...' if port.many else ''}" for port in inputs if "Instrument" not in port.types
    )
    yield from ("On the shell:", "", f"    alfosc-reduce step {name} {files} -o result.fits", "")
    yield from ("In a recipe:", "", f"    [steps.{name}]")
    yield from (f'    inputs.{port.name} = "..."' for port in inputs if "Instrument" not in port.types)
    arguments = ", ".join(port.name for port in inputs)
    yield from ("", "In Python:", "", "    from alfosc_reduce import get_step", "")
    yield f'    result = get_step("{name}")()({arguments})'


def instrument_page(name: str) -> str:
    """Return the page of an instrument."""
    instrument = get_instrument(name)
    lines = [NOTE, "", f"# {name}", "", instrument.fullname, "", *_docstring(type(instrument)), ""]
    recipes = [f'- `extends = "{name}:{recipe}"`' for recipe in sorted(instrument.recipes())]
    return "\n".join([*lines, "## Recipes", "", *(recipes or ["None."]), ""])


def _docstring(cls: type) -> list[str]:
    import inspect

    return inspect.cleandoc(cls.__doc__ or "").split("\n")


def index(steps: dict[str, Plugin], instruments: dict[str, Plugin]) -> str:
    """Return the page that lists all others."""
    lines = [NOTE, "", "# Reference", "", "## Steps", ""]
    lines += [f"- [{name}](steps/{name}.md): {get_step(name).summary()}" for name in steps]
    lines += ["", "## Instruments", ""]
    lines += [f"- [{name}](instruments/{name}.md): {get_instrument(name).fullname}" for name in instruments]
    return "\n".join([*lines, ""])


def outdated(folder: Path = REFERENCE) -> list[str]:
    """Return a sentence for every page that is missing, out of date, or of nothing that is installed."""
    wanted = pages()
    present = {str(path.relative_to(folder).as_posix()): path.read_text("utf-8") for path in folder.rglob("*.md")}
    told = [f"{name} is missing" for name in wanted if name not in present]
    told += [f"{name} is of nothing that is installed" for name in present if name not in wanted]
    return told + [f"{name} is out of date" for name in wanted if present.get(name, wanted[name]) != wanted[name]]


def write(folder: Path = REFERENCE) -> None:
    """Write every page, and remove those of nothing that is installed."""
    wanted = pages()
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` say what is out of date."""
    if "--check" not in arguments:
        write()
        return 0
    told = outdated()
    print("\n".join(told) or "the reference is up to date")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
