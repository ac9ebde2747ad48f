"""Two walks from nothing to dataframes: the demo, and docs/onboarding.md as written."""

from __future__ import annotations

import re
import shlex
import shutil
import sys

import pytest

from trackline import cli
from trackline.settings import ROOT

GUIDE = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")


@pytest.fixture
def trackline(project, monkeypatch):
    """Run a command on the project; give its exit code."""
    shutil.rmtree(project.seeds)
    shutil.copytree(ROOT / "seeds", project.seeds)

    def command(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["trackline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0

    return command


def test_the_demo_builds_frames_of_all_kinds_and_again_without_reading(
    project, trackline
) -> None:
    assert trackline("demo") == 0
    project.build()

    kinds = project.rows("select distinct district_id, type from dim_students")
    assert set(kinds) == {
        (district, kind)
        for district in ("harborside", "kailani", "lakeview")
        for kind in (1, 2, 3, 4, None)
    }
    bands = project.rows(
        "select district_id, count(distinct performance) from dim_students group by 1"
    )
    assert dict(bands) == {"harborside": 4, "kailani": 4, "lakeview": 5}
    hostile = project.rows(
        "select column_name from information_schema.columns"
        " where table_schema = 'frames' and table_name = 'district_kailani'"
    )
    assert {("📚reader",), ("'; drop table dim_students; --",), ("مكتبة",)} <= set(
        hostile
    )
    rules = project.rows("select distinct rule from dq_rejected_rows")
    assert len(rules) == 9  # each rule of the landing contract
    # few enough that no district of the demo is held
    assert (
        project.rows(
            "select district_id from dq_files group by district_id"
            " having sum(rows_rejected) * 100 > sum(rows_read)"
            " or sum(rows_read) != sum(rows_accepted) + sum(rows_rejected)"
        )
        == []
    )
    # late rows lose: the demo's say 1440 minutes
    assert project.rows("select max(usage_minutes) < 1440 from fct_daily_usage")[0][0]
    # one selected app's use in the afternoon falls on the islands' day, not on UTC's
    assert project.rows(
        "select max(usage_date)::text from fct_daily_usage"
        " where district_id = 'kailani'"
    ) == [("2026-03-31",)]

    before = project.table("dq_files")
    assert trackline("demo") == 0
    project.build()
    assert project.table("dq_files") == before


def block(after: str) -> str:
    """Return the guide's first code block after a text."""
    return re.search(r"```\n(.*?)```", GUIDE[GUIDE.index(after) :], re.S).group(1)


def test_the_onboarding_guide_leads_to_the_dataframe(
    project, trackline, monkeypatch
) -> None:
    # on the day after the guide's deliveries
    monkeypatch.setenv("TRACKLINE_AS_OF", "2026-03-03")
    command = shlex.split(block("## 1.").replace("\\\n", " "))
    assert command[0].endswith("trackline")
    assert trackline(*command[1:]) == 0
    with (project.seeds / "score_bands.csv").open("a", encoding="utf-8") as file:
        file.write(block("### Own performance bands"))
    at = "2026-03-03T04:00:00"
    project.deliver("springfield/app_usage/2026-03-02.csv", block("Daily totals"), at)
    project.deliver("springfield/scores/winter.csv", block("Scores, `"), at)

    folder = str(project.landing / "springfield")
    assert trackline("check", folder, "--district", "springfield") == 0
    project.build()

    assert project.rows(
        'select student_id, type, performance, score, "1042", "2001"'
        " from frames.district_springfield order by student_id"
    ) == [
        # 36 of 40 points; the other student has a forecast only
        ("000417", 1, "meets", 90, 32.5, 12),
        ("000424", 2, "meets", 71, 45, 0),
    ]
