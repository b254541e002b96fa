"""The command line: a table of commands, each imported only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from alfosc_reduce.cli.groups import LazyGroup
from alfosc_reduce.cli.outcomes import guarded

COMMANDS = {
    "init": ("alfosc_reduce.cli.init", "Classify raw frames; write frames.ecsv and recipe.toml."),
    "run": ("alfosc_reduce.cli.run", "Reduce everything a recipe asks for; running again resumes."),
    "plan": ("alfosc_reduce.cli.plan", "Say what a run would do, on which frames and why, without doing it."),
    "step": ("alfosc_reduce.cli.step", "Run one step by itself on files."),
    "steps": ("alfosc_reduce.cli.steps", "List the installed steps, or tell all about one."),
    "instruments": ("alfosc_reduce.cli.instruments", "List the installed instruments."),
    "catalog": ("alfosc_reduce.cli.catalog", "List reference catalogues, or fetch them ahead of work without network."),
    "qc": ("alfosc_reduce.cli.qc", "Print the numbers of a reduction beside their limits."),
    "explain": ("alfosc_reduce.cli.explain", "Tell how a product was made."),
    "demo": ("alfosc_reduce.cli.demo", "Simulate a night, reduce it, and judge the result."),
}
"""Name of each command -> (module that holds a click command named ``command``, help in one line)."""

program = LazyGroup(
    COMMANDS,
    name="alfosc-reduce",
    help="Reduce spectra and images from NOT/ALFOSC and other instruments, unattended.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process.

    The exit code is 0 for success, 1 for data that could not be reduced, 2 for an impossible request (recipe, options,
    installation), 130 when interrupted, 143 when told to end, 70 for a mistake in this package.
    """
    sys.exit(guarded(lambda: program.main(arguments, prog_name="alfosc-reduce", standalone_mode=False)))
