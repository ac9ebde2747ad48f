"""The command line: exit codes, plain errors, what is written where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from trackline import cli
from trackline.settings import ROOT

TRACKLINE = Path(sys.executable).with_name("trackline")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in this process; give its exit code, stdout and stderr."""
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    monkeypatch.setenv("TRACKLINE_SEEDS", str(tmp_path / "seeds"))
    monkeypatch.setenv("TRACKLINE_LANDING", str(tmp_path / "landing"))
    monkeypatch.delenv("TRACKLINE_DEBUG", raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trackline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return command


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from trackline import cli; cli.application([]);"
        "heavy = {'pandas', 'numpy', 'duckdb', 'pydantic', 'dbt', 'pyarrow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr
    start = time.perf_counter()
    out = subprocess.run([TRACKLINE, "--help"], capture_output=True, text=True)
    # 0.2 s alone; a loaded machine is given ten times that
    assert time.perf_counter() - start < 2
    assert out.returncode == 0
    for name in ("demo", "check", "onboard"):
        assert name in out.stdout


def test_a_command_that_does_not_import_is_left_out(run, monkeypatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "broken", "trackline.commands.nowhere:broken")
    code, out, _ = run("--help")
    assert code == 0
    assert "broken" not in out
    code, _, err = run("broken")
    assert code == 2
    assert "No such command 'broken'" in err


def test_usage_errors_exit_with_2(run) -> None:
    assert run("onboard", "newtown")[0] == 2
    assert run("nonsense")[0] == 2


def test_a_refusal_is_told_on_stderr_without_a_traceback(run) -> None:
    code, out, err = run("onboard", "Bad Id", "--name", "x")
    assert (code, out) == (2, "")
    assert "districts.csv, row 5" in err
    assert "bad_district_id" in err
    assert "Traceback" not in err


def test_an_error_nobody_foresaw_is_one_sentence_that_says_what_to_report(
    run, monkeypatch
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("trackline.commands.demo.demo", explode)
    code, _, err = run("demo")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "ZeroDivisionError" in err
    assert "TRACKLINE_DEBUG=1" in err


def test_the_traceback_is_there_for_those_who_ask(run, monkeypatch) -> None:
    def explode() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("trackline.commands.demo.demo", explode)
    monkeypatch.setenv("TRACKLINE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["trackline", "demo"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_onboard_writes_seed_rows_and_the_folder(run, tmp_path) -> None:
    code, out, _ = run(
        *("onboard", "newtown", "--name", "New Town", "--app", "7=A=B"),
        *("--app", "0042=Forty, Two", "--time-zone", "America/Denver"),
        *("--school-year-start", "09-01", "--nces-lea-id", "0800123"),
    )
    assert code == 0
    assert "America/Denver" in out
    assert (tmp_path / "landing/newtown").is_dir()
    districts = (tmp_path / "seeds/districts.csv").read_text(encoding="utf-8")
    assert "\nnewtown,New Town,0800123,America/Denver,09-01,," in districts
    apps = (tmp_path / "seeds/district_apps.csv").read_text(encoding="utf-8")
    assert 'newtown,7,A=B,all,true,,,\nnewtown,0042,"Forty, Two",all,true,,,\n' in apps


def test_an_app_without_a_name_is_explained(run) -> None:
    code, _, err = run("onboard", "newtown", "--name", "x", "--app", "0042")
    assert code == 2
    assert "'0042' is not ID=NAME" in err


def test_demo_runs_from_any_folder_and_names_what_it_wrote(tmp_path) -> None:
    out = subprocess.run(
        [TRACKLINE, "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TRACKLINE_LANDING": str(tmp_path / "landing")},
    )
    assert (out.returncode, out.stderr) == (0, "")
    assert "kailani: 18 files" in out.stdout
    assert (tmp_path / "landing/kailani/events").is_dir()


# ---- check: its shell; the reader itself is tested with the landing ------------------


def report(accepted: int, rejects: list[tuple[str, str]]) -> SimpleNamespace:
    file = SimpleNamespace(
        path="a.csv",
        status="loaded",
        rows_read=accepted + len(rejects),
        rows_accepted=accepted,
        rows_rejected=len(rejects),
    )
    return SimpleNamespace(
        files=[file],
        rejects=[
            SimpleNamespace(
                path="a.csv",
                record_number=number,
                rule=rule,
                column_name="usage_minutes",
                value=value,
            )
            for number, (rule, value) in enumerate(rejects, 1)
        ],
    )


@pytest.fixture
def landing_says(monkeypatch):
    """Let the landing's check answer with a given report."""

    def answer(found: SimpleNamespace) -> None:
        module = ModuleType("trackline.landing")
        module.check = lambda path, district, settings, configuration: found
        monkeypatch.setitem(sys.modules, "trackline.landing", module)
        monkeypatch.setattr("trackline.landing", module, raising=False)

    return answer


@pytest.mark.parametrize(
    ("accepted", "rejects", "code"),
    [
        (5, [], 0),
        (0, [], 0),
        (5, [("bad_number", "x")], 1),
        (0, [("unreadable_file", "")], 2),
    ],
)
def test_check_exits_by_what_it_found(
    run, landing_says, tmp_path, accepted, rejects, code
) -> None:
    landing_says(report(accepted, rejects))
    ended, out, _ = run("check", str(tmp_path), "--district", "lakeview")
    assert ended == code
    assert f"{accepted} accepted + {len(rejects)} rejected" in out


def test_check_writes_one_json_object(run, landing_says, tmp_path) -> None:
    landing_says(report(1, [("bad_number", "\x1b[31mréd")]))
    code, out, _ = run(
        "check", str(tmp_path), "--district", "lakeview", "--format", "json"
    )
    assert code == 1
    assert json.loads(out) == {
        "files": [
            {
                "path": "a.csv",
                "status": "loaded",
                "rows_read": 2,
                "rows_accepted": 1,
                "rows_rejected": 1,
            }
        ],
        "rejects": [
            {
                "path": "a.csv",
                "record_number": 1,
                "rule": "bad_number",
                "column_name": "usage_minutes",
                "value": "\x1b[31mréd",
            }
        ],
    }


def test_check_never_sends_a_delivered_escape_to_the_terminal(
    run, landing_says, tmp_path
) -> None:
    landing_says(report(1, [("bad_text", "\x1b[2J")] * 30))
    _, out, _ = run("check", str(tmp_path), "--district", "lakeview")
    assert "\x1b" not in out
    assert "10 more" in out


@pytest.mark.parametrize(
    ("path", "district", "told"),
    [("/nowhere", "lakeview", "is not there"), (".", "atlantis", "onboard atlantis")],
)
def test_check_refuses_what_it_cannot_look_at(
    run, landing_says, path, district, told
) -> None:
    landing_says(report(1, []))
    code, out, err = run("check", path, "--district", district)
    assert (code, out) == (2, "")
    assert told in err
