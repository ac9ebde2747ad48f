"""The command line: exit codes, plain errors, what is written where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

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
    out = subprocess.run([TRACKLINE, "--help"], capture_output=True, text=True)
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


@pytest.mark.parametrize("as_of", ["20260331", "2026-3-31", "tomorrow"])
def test_a_day_that_is_no_iso_date_is_refused(run, monkeypatch, as_of) -> None:
    monkeypatch.setenv("TRACKLINE_AS_OF", as_of)
    code, out, err = run("status")
    assert (code, out) == (2, "")
    assert f"TRACKLINE_AS_OF is '{as_of}'" in err


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


# ---- check ---------------------------------------------------------------------------


HEADER = "student_id,app_id,usage_date,usage_minutes\n"
GOOD = "0001,alpha_math,2026-03-02,12.5\n"


@pytest.fixture
def check(run, tmp_path):
    """Check one app_usage file of lakeview with the given content."""
    folder = tmp_path / "delivery" / "app_usage"
    folder.mkdir(parents=True)

    def command(content: str, *options: str) -> tuple[int, str, str]:
        (folder / "night.csv").write_text(content, encoding="utf-8")
        return run("check", str(folder), "--district", "lakeview", *options)

    return command


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (HEADER + GOOD, 0, "1 read = 1 accepted + 0 rejected"),
        (HEADER, 0, "0 read = 0 accepted + 0 rejected"),
        (HEADER + GOOD + GOOD.replace("12.5", "x"), 1, "record 2: bad_number"),
        ("", 2, "unreadable_file"),
    ],
)
def test_check_exits_by_what_it_found(check, content, code, told) -> None:
    ended, out, _ = check(content)
    assert ended == code
    assert told in out


def test_check_names_the_columns_that_nobody_reads(check) -> None:
    _, out, _ = check(HEADER.replace("\n", ",mood\n") + GOOD.replace("\n", ",:-)\n"))
    assert "nobody reads the column 'mood'" in out


def test_check_writes_one_json_object(check) -> None:
    wrong = GOOD.replace("12.5", "\x1b[31mréd")
    code, out, _ = check(HEADER + GOOD + wrong, "--format", "json")
    assert code == 1
    report = json.loads(out)
    (file,) = report["files"]
    assert [file[f"rows_{count}"] for count in ("read", "accepted", "rejected")] == [
        2,
        1,
        1,
    ]
    (reject,) = report["rejects"]
    assert reject["path"].endswith("app_usage/night.csv")
    assert (reject["record_number"], reject["rule"]) == (2, "bad_number")
    assert (reject["column_name"], reject["value"]) == (
        "usage_minutes",
        "\x1b[31mréd",
    )


def test_check_never_sends_a_delivered_escape_to_the_terminal(check) -> None:
    wrong = GOOD.replace("12.5", "\x1b[2J")
    _, out, _ = check(HEADER + wrong * 30)
    assert "\x1b" not in out
    assert "10 more" in out


def test_check_writes_nothing(check, tmp_path) -> None:
    check(HEADER + GOOD)
    before = set(tmp_path.rglob("*"))
    check(HEADER + GOOD)
    assert set(tmp_path.rglob("*")) == before
    # neither the landing folder nor a warehouse: a dry run leaves no trace
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(
    ("path", "district", "told"),
    [
        ("/nowhere", "lakeview", "/nowhere does not exist"),
        (".", "atlantis", "onboard atlantis"),
    ],
)
def test_check_refuses_what_it_cannot_look_at(run, path, district, told) -> None:
    code, out, err = run("check", path, "--district", district)
    assert (code, out) == (2, "")
    assert told in err


def test_what_takes_long_says_so_on_stderr_and_the_rest_is_silent(
    capsys, monkeypatch
) -> None:
    from trackline.commands import progress

    with progress.telling("reading"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.01)
    with progress.telling("reading"):
        time.sleep(0.3)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "reading (0 s so far)\n")


@pytest.mark.parametrize(
    ("district", "rest"),
    [
        ("lakeview", "is not loaded for lakeview any more: take it out."),
        ("*", "put rows of the other districts in its place that have such a user."),
    ],
)
def test_forget_tells_which_seed_row_names_the_user(
    run, tmp_path, monkeypatch, district, rest
):
    monkeypatch.setattr("trackline.forgetting.forget", lambda *arguments: True)
    path = tmp_path / "seeds" / "role_assignments.csv"
    header = path.read_text().splitlines()[0]
    others = [f"{district},5,teacher,", "kailani,4,teacher,"]
    path.write_text("\n".join([header, *others, f"{district},4,manager,"]) + "\n")
    code, _, told = run("forget", "lakeview", "4")
    assert code == 0
    assert "role_assignments.csv, row 4, names the user" in told
    assert rest in told.replace("\n", " ")
    assert told.count("names the user") == 1
