"""The program as a whole: light to start, and every ending a sentence and an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from alfosc_reduce.cli import COMMANDS, main, program
from alfosc_reduce.cli.outcomes import guarded
from alfosc_reduce.errors import ConfigurationError, DataError, ReductionError

HEAVY = ("astropy", "numpy", "specutils", "scipy", "matplotlib", "pydantic", "ccdproc", "photutils", "rich")


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["steps", "--help"], ["step", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom alfosc_reduce.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout, done.stdout


def test_help_lists_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from alfosc_reduce.cli import main; main(['--help'])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout and line.split()[0] in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_commands_are_documented(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None and command.name == name and (command.help or "").strip()


def test_unknown_command_gets_the_nearest_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["instrumets"])
    assert end.value.code == 2
    assert "did you mean 'instruments'?" in capsys.readouterr().err


def raising(error: BaseException) -> int:
    def work() -> None:
        raise error

    return guarded(work)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("arc: all lines saturated; take a shorter one"), 1, "arc: all lines saturated; take a shorter one"),
        (ReductionError("cannot write a.fits: disk full"), 1, "disk full"),
        (ConfigurationError(["first mistake", "second mistake"]), 2, "first mistake\nsecond mistake"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (click.Abort(), 130, "Interrupted"),
        (click.UsageError("no such option"), 2, "no such option"),
        (click.FileError("a.fits", "gone"), 2, "gone"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_endings(error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(error) == code
    said = capsys.readouterr()
    assert words in said.err and "Traceback" not in said.err and not said.out


def test_success_and_explicit_codes() -> None:
    assert guarded(lambda: None) == 0
    assert guarded(lambda: 3) == 3


def test_bug_is_a_sentence_and_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert raising(ZeroDivisionError("division by zero")) == 70
    said = capsys.readouterr().err
    (report,) = tmp_path.iterdir()
    assert "ZeroDivisionError: division by zero" in said and str(report) in said and "Traceback" not in said
    assert "Traceback" in report.read_text() and "raise error" in report.read_text()


def test_bug_without_a_place_for_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    assert raising(ZeroDivisionError("division by zero")) == 70
    assert "Traceback" in capsys.readouterr().err


def test_reader_that_goes_away_is_not_scolded() -> None:
    code = "from alfosc_reduce.cli import main\nmain(['steps'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
