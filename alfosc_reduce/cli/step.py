"""``alfosc-reduce step NAME FILE... -o OUT``: one step by itself, its options made from the step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alfosc_reduce.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alfosc_reduce.step import Step

_OUTPUT = "The file to write: FITS; a table also as .ecsv, .csv, .vot, or .reg (regions for DS9)."
_OWN = {"output", "figures", "overwrite", "instrument", "files", "help"}


class StepGroup(click.Group):
    """One command a step, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the installed steps."""
        from alfosc_reduce.registry import STEPS, plugins

        return list(plugins(STEPS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return the command of one step; raises `ConfigurationError` for an unknown or broken one."""
        from alfosc_reduce.registry import get_step

        return command_of(cmd_name, get_step(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names only: describing each step would import it."""
        with formatter.section("Steps (see also: alfosc-reduce steps)"):
            formatter.write_text(", ".join(self.list_commands(ctx)) or "none installed")


class StepCommand(click.Command):
    """The command of one step, in which a value of several parts may be given as so many words."""

    parts: Mapping[str, int]
    """How many words make the value of an option, by its name with dashes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; ``--bat 12.5 -75.1 3`` is ``--bat "12.5 -75.1 3"``."""
        return super().parse_args(ctx, list(_joined(args, self.parts)))


def _joined(args: list[str], parts: Mapping[str, int]) -> Iterator[str]:
    left = list(args)
    while left:
        word = left.pop(0)
        yield word
        count = parts.get(word.replace("_", "-"), 1)
        if count > 1 and len(left) >= count and all(map(_is_part, left[:count])):
            yield " ".join(left[:count])
            del left[:count]


def _is_part(word: str) -> bool:
    """Say whether a word may be part of a value: neither a whole one nor an option, though with a minus in front."""
    whole = word.lower() == "none" or any(sign in word for sign in " [,")
    return not whole and not re.match(r"-[^\d.]", word)


command = StepGroup("step", help="Run one step by itself on files. 'alfosc-reduce step NAME --help' tells its options.")


def command_of(name: str, step: type[Step]) -> click.Command:
    """Return the command that runs `step`, with an option for each input and each parameter."""
    from alfosc_reduce.help_text import documentation_of, parameters_of

    _check_names(name, step)
    parameters = parameters_of(step)
    made = StepCommand(
        name,
        callback=lambda **values: _run(step, values),
        params=[_files(step), *_port_options(step), *map(_parameter_option, parameters), *_own_options(step)],
        help="\b\n" + documentation_of(step).replace("\n\n", "\n\n\b\n"),
        context_settings={"token_normalize_func": lambda text: text.replace("_", "-")},
        no_args_is_help=True,
    )
    made.parts = {_flag(parameter.name): parameter.parts for parameter in parameters}
    return made


def _check_names(name: str, step: type[Step]) -> None:
    ports = {port.name for port in step.inputs()}
    twice = (ports | _OWN - {"instrument"}) & set(step.model_fields) or ports & (_OWN - {"instrument"})
    if twice:
        raise ConfigurationError(
            f"the step {name!r} uses the name {sorted(twice)[0]!r} twice; its author must rename it"
        )


def _files(step: type[Step]) -> click.Argument:
    ports = [port for port in step.inputs() if "Instrument" not in port.types]
    metavar = " ".join(f"{port.name.upper()}{'...' if port.many else ''}" for port in ports if not port.optional)
    return click.Argument(["files"], nargs=-1, type=click.Path(path_type=Path), metavar=metavar)


def _port_options(step: type[Step]) -> list[click.Option]:
    return [
        click.Option([_flag(port.name), port.name], type=click.Path(path_type=Path), multiple=port.many, metavar="FILE",
                     help=f"Input: {port}.")
        for port in step.inputs() if "Instrument" not in port.types
    ]  # fmt: skip


def _parameter_option(parameter: Any) -> click.Option:
    default = f"  [default: {parameter.default}]" if parameter.default is not None else "  [required]"
    return click.Option(
        [_flag(parameter.name), parameter.name], metavar="VALUE", help=f"{parameter.text} ({parameter.kind}){default}"
    )


def _own_options(step: type[Step]) -> list[click.Option]:
    path = click.Path(path_type=Path)
    return [
        click.Option(["-o", "--output", "output"], type=path, required=True, help=_OUTPUT),
        click.Option(
            ["--instrument", "instrument"], help="Name of the instrument; recognised from the files if not given."
        ),
        click.Option(["--figures", "figures"], type=path, help="Folder for the step's figures (PNG)."),
        click.Option(["--overwrite", "overwrite"], is_flag=True, help="Replace files that exist."),
    ]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _run(step: type[Step], values: dict[str, Any]) -> None:
    from alfosc_reduce.cli.step_inputs import gather, parse_parameters
    from alfosc_reduce.cli.step_outputs import refuse_existing, target_files, write

    wanted = {name: values[name] for name in step.model_fields if values[name] is not None}
    ready = parse_parameters(step, wanted)
    targets = target_files(step, values["output"])
    if not values["overwrite"]:
        refuse_existing(targets.values())
    named = {port.name: values.get(port.name) for port in step.inputs()}
    inputs = gather(step.inputs(), values["files"], named, values["instrument"])
    result = ready(**inputs)
    for line in write(ready, result, inputs, targets, values["figures"]):
        click.echo(line)
