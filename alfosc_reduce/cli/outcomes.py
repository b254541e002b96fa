"""How a command ends: an exit code and, if it failed, sentences instead of a traceback."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from alfosc_reduce.errors import ConfigurationError, ReductionError

DONE, FAILED, IMPOSSIBLE, BUG, INTERRUPTED, ENDED = 0, 1, 2, 70, 130, 143


class Ended(KeyboardInterrupt):
    """The process was told to end (SIGTERM), as batch systems do."""


def guarded(work: Callable[[], object]) -> int:
    """Do `work` and return the exit code; whatever it raises becomes sentences on the standard error."""
    try:
        with _ending_as_interrupted():
            result = work()
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("Interrupted. What was finished is kept.", err=True)
        # The program turns the one into the other.
        return ENDED if isinstance(error.__context__, Ended) or isinstance(error, Ended) else INTERRUPTED
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


@contextmanager
def _ending_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: else nothing is said, and workers are left to find out."""

    def end(*_: object) -> None:
        raise Ended

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
