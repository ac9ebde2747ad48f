"""Steps that are a `trackline` command: exit codes become what Dagster knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import Failure, RetryRequested

from orchestration import commands

SAYS = """
import sys
print({text!r})
sys.exit({code})
"""


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Let a program that says a text and ends with a code stand for Trackline."""

    def prepare(text: str, code: int) -> None:
        (tmp_path / "said.py").write_text(SAYS.format(text=text, code=code))
        real = subprocess.Popen

        def popen(arguments: list[str], **options: object) -> subprocess.Popen:
            assert arguments[:3] == [sys.executable, "-m", "trackline"]
            return real([sys.executable, tmp_path / "said.py"], **options)

        monkeypatch.setattr(commands.subprocess, "Popen", popen)

    return prepare


@pytest.mark.parametrize("code", [0, 1])
def test_done_with_or_without_findings(says, code):
    says("all said", code)
    assert commands.run_command(["evaluate"]) == (code, "all said")


def test_a_refusal_is_told_in_its_own_words(says):
    says("the warehouse has no table", 2)
    with pytest.raises(Failure, match="trackline evaluate: the warehouse has no table"):
        commands.run_command(["evaluate"])


def test_a_held_warehouse_is_tried_again(says):
    says("the warehouse w is held by another process (PID 3)", 2)
    with pytest.raises(RetryRequested) as retry:
        commands.run_command(["evaluate"], attempt=2)
    assert retry.value.seconds_to_wait == 20


def test_the_real_command_line_is_called():
    with pytest.raises(Failure, match="nosuch"):
        commands.run_command(["nosuch"])


def test_commands_that_are_not_there():
    assert commands.is_installed("demo")
    assert not commands.is_installed("nosuch")
