"""`trackline check` on files that lie anywhere."""

from __future__ import annotations

import os

import pytest

from trackline.landing import check
from trackline.settings import RefusedError

USAGE = "student_id,app_id,usage_date,usage_minutes\n001,alpha,2025-02-01,x\n"


@pytest.mark.parametrize(
    ("header", "table"),
    [
        ("student_id,app_id,usage_date,usage_minutes", "app_usage"),
        ("student_id,measure,score,measured_on", "scores"),
        ("event_id,student_id,app_id,occurred_at", "events"),
        ("student_id,grade_level", "students"),
        ("user_id,role", "enrollments"),
    ],
)
def test_a_file_elsewhere_is_taken_for_the_table_that_it_fits(tmp_path, header, table):
    path = tmp_path / "delivery.csv"
    path.write_text(header + "\n")
    (file,) = check(path, "north", "UTC").files
    assert (file.table_name, file.status) == (table, "loaded")


def test_one_that_fits_none_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "delivery.csv"
    for content in ("name,grade\nx,1\n", ""):
        path.write_text(content)
        with pytest.raises(RefusedError, match="put it into one of app_usage, scores"):
            check(path, "north", "UTC")
    with pytest.raises(RefusedError, match="does not exist"):
        check(tmp_path / "nothing.csv", "north", "UTC")


@pytest.mark.parametrize("district", ["north", "events"])
def test_below_a_districts_folder_the_first_names_the_table(tmp_path, district):
    path = tmp_path / district / "app_usage" / "scores" / "1.csv"
    path.parent.mkdir(parents=True)
    path.write_text(USAGE)
    for looked_at in (path, tmp_path / district):
        (file,) = check(looked_at, district, "UTC").files
        assert (file.table_name, file.rows_rejected) == ("app_usage", 1)


def test_only_what_was_asked_for_is_looked_at(tmp_path, monkeypatch):
    """The folder above may be somebody's home, or the root of the file system."""
    for path in ("north/app_usage/1.csv", "north/app_usage/2.csv", "other/x.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(USAGE)
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda path: listed.append(str(path)) or scandir(path)
    )
    report = check(tmp_path / "north", "north", "UTC")
    assert [file.rows_rejected for file in report.files] == [1, 1]
    report = check(tmp_path / "north" / "app_usage" / "2.csv", "north", "UTC")
    assert [file.path for file in report.files] == ["north/app_usage/2.csv"]
    assert {*listed} == {str(tmp_path / "north"), str(tmp_path / "north" / "app_usage")}


@pytest.mark.parametrize(
    ("contents", "exit_code"),
    [
        (["7"], 0),
        ([""], 0),
        (["7", "x"], 1),
        (["x"], 2),
        (["x", ""], 2),
    ],
)
def test_exit_code_says_whether_anything_would_be_accepted(
    tmp_path, contents, exit_code
):
    """A script that delivers on 1 would else deliver a file without one good row."""
    header, row = USAGE.splitlines()
    (tmp_path / "app_usage").mkdir()
    for number, minutes in enumerate(contents):
        rows = [header, row.replace("x", minutes)] if minutes else [header]
        path = tmp_path / "app_usage" / f"{number}.csv"
        path.write_text("\n".join(rows) + "\n")
    assert check(tmp_path, "north", "UTC").exit_code == exit_code
