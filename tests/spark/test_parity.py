"""The same landing files on one machine and on the cluster: the same tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from spark_cluster import BUILT, differences

from trackline.config import load
from trackline.demo import write_demo
from trackline.settings import ROOT, Settings
from trackline.status import read_status

NIGHTS = ("2026-02-28", "2026-03-28", "2026-04-30")
LATE = "events-2025-11.csv.gz"
"""Delivered in the last night only: five months late."""


def nights_of(landing: Path) -> Iterator[list[Path]]:
    """Give the demo's files night by night, as they would have come."""
    delivered: set[Path] = set()
    for night in NIGHTS:
        until = datetime.fromisoformat(night).replace(tzinfo=UTC).timestamp()
        new = [
            path
            for path in sorted(landing.rglob("*"))
            if path.is_file()
            and path not in delivered
            and path.stat().st_mtime < until
            and (path.name != LATE or night == NIGHTS[-1])
        ]
        delivered.update(new)
        yield new


def correct(project) -> None:
    """Deliver what changes days that were summed: withdrawn, moved, corrected."""
    (student, app, day) = project.rows(
        "select student_id, app_id, usage_date::varchar from fct_daily_usage"
        " where district_id = 'lakeview' order by all limit 1"
    )[0]
    project.deliver(
        "lakeview/app_usage/withdrawn.csv",
        [
            {
                "student_id": student,
                "app_id": app,
                "usage_date": day,
                "usage_minutes": 0,
                "is_deleted": "true",
                "updated_at": "2026-03-30T00:00:00",
            }
        ],
        "2026-03-31T04:00:00",
    )
    (event, student, app) = project.rows(
        "select event_id, student_id, app_id from int_event_versions"
        " where district_id = 'kailani' order by occurred_at desc limit 1"
    )[0]
    project.deliver(
        "kailani/events/moved.csv",
        [
            {
                "event_id": event,
                "student_id": student,
                "app_id": app,
                "occurred_at": "2026-01-15T20:00:00",
                "duration_seconds": "900",
            }
        ],
        "2026-03-31T04:00:00",
    )


def assert_same_publication(project) -> None:
    """Publish from both: the same rows in the same types have one fingerprint."""
    from trackline import publish

    settings = Settings.from_environment()
    on_spark = replace(
        settings, target="spark", serve=settings.serve.with_name("serve-spark")
    )
    reports = [publish.publish(one) for one in (settings, on_spark)]
    states = [
        [(one.district_id, one.state) for one in report.outcomes] for report in reports
    ]
    assert states[0] == states[1], [report.outcomes for report in reports]
    for district_id, _ in states[0]:
        told = []
        for one in (settings, on_spark):
            folder = one.serve / district_id
            name = "current.json" if (folder / "current.json").exists() else "held.json"
            about = json.loads((folder / name).read_text())
            told.append((name, about["fingerprint"], about["row_counts"]))
        assert told[0] == told[1], district_id
    again = publish.publish(on_spark)
    assert {one.state for one in again.outcomes} <= {"unchanged", "held"}
    assert not list(on_spark.serve.glob(".spark-*")), "nothing is left behind"
    assert read_status(on_spark).districts[0].newest_usage_on is not None


def test_three_nights_of_the_demo(project, cluster, tmp_path):
    shutil.copytree(ROOT / "seeds", project.seeds, dirs_exist_ok=True)
    source = tmp_path / "demo"
    write_demo(source, load(project.seeds))
    before = cluster.tasks_by_executor()

    for number, (night, files) in enumerate(
        zip(NIGHTS, nights_of(source), strict=True)
    ):
        for path in files:
            target = project.landing / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        if number:
            correct(project)
        project.monkeypatch.setenv("TRACKLINE_AS_OF", min(night, "2026-03-31"))
        project.build(*BUILT)
        cluster.build(project, *(BUILT if number < 2 else ()))
        assert differences(project, cluster) == [], f"after night {number + 1}"

    assert project.rows("select count(*) > 1000 from rpt_recommendations") == [(True,)]
    assert_same_publication(project)
    tasks = cluster.tasks_by_executor() - before
    assert len(tasks) == 2, f"both workers are used: {tasks}"
    assert min(tasks.values()) > sum(tasks.values()) / 10
