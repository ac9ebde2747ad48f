"""A worker that goes down in mid-build: the others do its work. The last test here."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
from spark_cluster import BUILT, differences

OULAD = {
    "time_zone": "Europe/London",
    "school_year_start": "08-01",
    "as_of": "2015-06-30",
    "score_basis": "mean",
}
APPS = ("oucontent", "forumng", "homepage", "quiz", "subpage", "resource", "url")
DELIVERED = "2015-07-01T04:00:00"


def deliver_the_open_university(project, fixtures: Path) -> None:
    """Two modules as two districts: minutes are clicks / 8."""
    start = """make_date(left(code_presentation, 4)::int,
        case right(code_presentation, 1) when 'J' then 10 else 2 end, 1)"""
    folder = project.root / "oulad"
    folder.mkdir()
    with duckdb.connect() as con:
        for name in ("studentVle", "vle", "studentAssessment", "assessments"):
            con.execute(f"create view {name} as from '{fixtures}/oulad/{name}.parquet'")
        for module in ("AAA", "GGG"):
            con.execute(f"""copy (
                select id_student as student_id, activity_type as app_id,
                    {start} + date as usage_date, sum(sum_click) / 8 as usage_minutes
                from studentVle join vle using (id_site, code_module, code_presentation)
                where code_module = '{module}' group by all order by all
            ) to '{folder}/{module}.parquet'""")
            con.execute(f"""copy (
                select id_student as student_id, 'assessment' as measure, score,
                    {start} + date_submitted as measured_on,
                    id_assessment as assessment_id
                from studentAssessment join assessments using (id_assessment)
                where code_module = '{module}' and score is not null
            ) to '{folder}/{module}.csv'""")
            for kind, table in (("parquet", "app_usage"), ("csv", "scores")):
                project.deliver(
                    f"{module.lower()}/{table}/all.{kind}",
                    (folder / f"{module}.{kind}").read_bytes(),
                    DELIVERED,
                )


def test_the_open_university_with_a_worker_killed(project, cluster, fixtures):
    project.configure(
        [{**OULAD, "district_id": district} for district in ("aaa", "ggg")],
        apps={"aaa": APPS, "ggg": APPS},
    )
    deliver_the_open_university(project, fixtures)
    project.build(*BUILT)
    killed_at: list[float] = []
    tables = cluster.folder / "warehouse" / "main.db"

    def kill_in_the_merge() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if any(tables.glob("int_usage_versions__next*")):
                cluster.kill_a_worker()
                killed_at.append(time.time())
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=kill_in_the_merge)
    watcher.start()
    cluster.build(project, *BUILT)
    watcher.join()

    assert killed_at, "no worker was killed: the test has shown nothing"
    assert differences(project, cluster) == []
    before = cluster.tasks_by_executor(until=killed_at[0])
    after = cluster.tasks_by_executor(since=killed_at[0] + 5)
    assert len(before) == 2, f"both workers have worked: {before}"
    assert len(after) == 1, f"one worker has done the rest: {after}"
    assert project.rows(
        "select district_id, count(distinct student_id) from fct_daily_usage"
        " group by 1 order by 1"
    ) == [("aaa", 702), ("ggg", 2359)]
