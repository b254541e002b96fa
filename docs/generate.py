"""Write the reference pages from what the installed package says of itself: steps, instruments, commands, keys, flags.

python docs/generate.py            write docs/reference/
python docs/generate.py --check    only say what is out of date; exit code 1 if anything is
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from alfosc_reduce import Flag, get_catalog, get_instrument, get_step
from alfosc_reduce.catalog import Catalog
from alfosc_reduce.cli import COMMANDS
from alfosc_reduce.docstrings import attribute_docstrings
from alfosc_reduce.flags import UNUSABLE
from alfosc_reduce.help_text import ParameterHelp, documentation_of, parameters_of
from alfosc_reduce.recipe import InputFiles, Limit, Recipe, Source, StepEntry
from alfosc_reduce.registry import CATALOGS, INSTRUMENTS, STEPS, Plugin, plugins
from alfosc_reduce.step import Step

REFERENCE = Path(__file__).with_name("reference")
OWNER = "alfosc-reduce"
NOTE = "<!-- Written by docs/generate.py from the code; do not edit. -->"


def pages() -> dict[str, str]:
    """Return the text of every page by its path below ``reference``."""
    steps, instruments, catalogs = _ours(STEPS), _ours(INSTRUMENTS), _ours(CATALOGS)
    found = {f"steps/{name}.md": step_page(plugin, get_step(name)) for name, plugin in steps.items()}
    found |= {f"instruments/{name}.md": instrument_page(name) for name in instruments}
    found |= {f"catalogs/{name}.md": catalog_page(get_catalog(name)) for name in catalogs}
    found |= {"commands.md": commands_page(), "recipe.md": recipe_page(), "flags.md": flags_page()}
    found["README.md"] = index(steps, instruments, catalogs)
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


def catalog_page(catalog: type[Catalog]) -> str:
    """Return the page of a reference catalogue: documentation, where it has sources, and parameters."""
    about = [f"- {catalog.fullname}", f"- Sources in {catalog.footprint}"]
    if not any(field.is_required() for field in catalog.model_fields.values()):
        about.append(f"- Bands: {', '.join(f'{band} ({system})' for band, system in catalog().bands.items())}")
    lines = [NOTE, "", f"# {catalog.name}", "", documentation_of(catalog), "", *about, "", "## Parameters", ""]
    return "\n".join([*lines, *_parameters(parameters_of(catalog))])


def _docstring(cls: type) -> list[str]:
    return inspect.cleandoc(cls.__doc__ or "").split("\n")


def commands_page() -> str:
    """Return the page of the command line: every command with its arguments and options."""
    lines = [NOTE, "", "# Commands", "", "`alfosc-reduce COMMAND --help` tells the same.", ""]
    for name, (module, _) in COMMANDS.items():
        lines += _command_lines(name, import_module(module).command)
    return "\n".join(lines)


def _command_lines(name: str, command: click.Command) -> list[str]:
    """Return what there is to say of a command; one with commands of its own is followed by these."""
    arguments = [_argument(p) for p in command.params if isinstance(p, click.Argument)]
    lines = [f"## {' '.join([name, *arguments])}", "", inspect.cleandoc(command.help or ""), ""]
    lines += [_option(p) for p in command.params if isinstance(p, click.Option)]
    lines += [""] if any(isinstance(p, click.Option) for p in command.params) else []
    further = command.commands if type(command) is click.Group else {}
    return lines + [line for word, inner in further.items() for line in _command_lines(f"{name} {word}", inner)]


def _argument(argument: click.Argument) -> str:
    name = (argument.metavar or (argument.name or "").upper()) + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    again = " May be given several times." if option.multiple else ""
    return f"- `{', '.join(option.opts)}{value}`: {option.help}{again}"


def recipe_page() -> str:
    """Return the page of the keys of a recipe."""
    told = (
        ("At the top", Recipe),
        ("`[input]`", InputFiles),
        ("`[steps.NAME]`", StepEntry),
        ('`inputs.NAME = { from = "..." }`', Source),
        ("`[limits.STEP]` `NUMBER = { ... }`", Limit),
    )
    lines = [NOTE, "", "# Keys of a recipe", ""]
    for title, part in told:
        texts = texts_of(part)
        names = {field.alias or name: texts.get(name, "") for name, field in part.model_fields.items()}
        lines += [f"## {title}", "", *(f"- `{name}`: {text}" for name, text in names.items()), ""]
    return "\n".join(lines)


def texts_of(cls: type) -> dict[str, str]:
    """Return the strings that stand below the attributes of a class, each in one line."""
    return {name: " ".join(text.split()).replace("``", "`") for name, text in attribute_docstrings(cls).items()}


def flags_page() -> str:
    """Return the table of flags."""
    lines = [
        NOTE,
        "",
        "# Flags",
        "",
        "A pixel whose flags hold one that is *masked* must not be used; the others only tell.",
        "",
    ]
    lines += ["| value | name | masked | meaning |", "|---|---|---|---|"]
    texts = texts_of(Flag)
    lines += [f"| {int(f)} | {f.name} | {'yes' if f & UNUSABLE else ''} | {texts[f.name or '']} |" for f in Flag]
    return "\n".join([*lines, ""])


def index(steps: dict[str, Plugin], instruments: dict[str, Plugin], catalogs: dict[str, Plugin]) -> str:
    """Return the page that lists all others."""
    lines = [NOTE, "", "# Reference", "", "## Steps", ""]
    lines += [f"- [{name}](steps/{name}.md): {get_step(name).summary()}" for name in steps]
    lines += ["", "## Instruments", ""]
    lines += [f"- [{name}](instruments/{name}.md): {get_instrument(name).fullname}" for name in instruments]
    lines += ["", "## Reference catalogues", ""]
    lines += [f"- [{name}](catalogs/{name}.md): {get_catalog(name).fullname}" for name in catalogs]
    lines += [
        "",
        "## Beside them",
        "",
        "- [Commands](commands.md)",
        "- [Keys of a recipe](recipe.md)",
        "- [Flags](flags.md)",
    ]
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
