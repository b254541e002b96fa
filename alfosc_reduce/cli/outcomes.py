"""How a command ends: an exit code and, if it failed, sentences instead of a traceback."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable

import click

from alfosc_reduce.errors import ConfigurationError, ReductionError

DONE, FAILED, IMPOSSIBLE, BUG, INTERRUPTED = 0, 1, 2, 70, 130


def guarded(work: Callable[[], object]) -> int:
    """Do `work` and return the exit code; whatever it raises becomes sentences on the standard error."""
    try:
        result = work()
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. What was finished is kept.", err=True)
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return DONE
    except click.ClickException as error:
        error.show()
        return IMPOSSIBLE
    except ReductionError as error:
        click.echo(f"Error: {error}", err=True)
        return IMPOSSIBLE if isinstance(error, ConfigurationError) else FAILED
    except Exception as error:
        click.echo(_bug(error), err=True)
        return BUG
    return result if isinstance(result, int) else DONE


def _bug(error: Exception) -> str:
    text = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {error}".strip()
    try:
        handle, path = tempfile.mkstemp(prefix="alfosc-reduce-", suffix="-traceback.txt", text=True)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        return f"Error: a mistake in the program ({said}).\n{text}"
    return f"Error: a mistake in the program ({said}). The full traceback is in {path}; please report it."
