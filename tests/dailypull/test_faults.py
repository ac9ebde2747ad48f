"""Builds that are killed, run out of disk or find the warehouse taken."""

from __future__ import annotations

import hashlib
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import date, datetime

import duckdb
import pytest
from oracle import Delivered, expected
from test_order import tables, write

ZONES = {"north": "America/New_York"}
AS_OF = date(2025, 3, 1)


def night(number: int) -> list[Delivered]:
    """Rows of one night: half of them correct, withdraw or move those before."""
    chance = random.Random(number)
    at = datetime(2025, 3, 1, 4, number % 60, number // 60)

    def key() -> dict:
        return {
            "student_id": f"{chance.randrange(40):03}",
            "app_id": chance.choice(["alpha", "beta"]),
        }

    def day() -> str:
        return f"2025-02-{chance.randrange(1, 8):02}"

    deleted = ["true", "false", "false"]
    usage = tuple(
        {**key(), "usage_date": day(), "usage_minutes": str(chance.randrange(0, 60)),
         "is_deleted": chance.choice(deleted)}
        for _ in range(300)
    )  # fmt: skip
    scores = tuple(
        {**key(), "measure": "assessment", "measured_on": day(),
         "score": str(chance.randrange(100)), "is_deleted": chance.choice(deleted)}
        for _ in range(60)
    )  # fmt: skip
    events = tuple(
        {**key(), "event_id": f"e{chance.randrange(200)}",
         "occurred_at": f"{day()}T{chance.randrange(24):02}:00:00Z"}
        for _ in range(100)
    )  # fmt: skip
    roster = tuple(
        {"student_id": f"{n:03}", "school_id": f"s{number}"} for n in range(50)
    )
    return [
        Delivered(f"north/{table}/{number}.{kind}", at, rows)
        for table, kind, rows in (
            ("app_usage", "csv", usage), ("scores", "parquet", scores),
            ("events", "csv.gz", events), ("students", "csv", roster),
        )
    ]  # fmt: skip


RUN = ("run", "--select", "tag:daily_pull")


def dbt_process(project, arguments=RUN, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "dbt.cli.main", "--no-write-json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more,
    )  # fmt: skip


def assert_right(project, files: list[Delivered]) -> None:
    oracle = expected(files, ZONES, AS_OF)
    found = tables(project)
    assert found["usage"] == oracle.usage
    assert found["scores"] == oracle.scores
    assert found["totals"] == oracle.totals
    assert found["students"] == oracle.students
    assert found["rejects"] == []
    assert found["waiting"] == [(0,), (0,)]
    assert project.table("dq_files", "path, status, rows_accepted") == sorted(
        (file.path, "loaded", len(file.rows)) for file in files
    )


def kill_at_random_moments(project, times: int) -> int:
    project.configure([{"district_id": d, "time_zone": z} for d, z in ZONES.items()])
    files = night(0)
    for file in files:
        write(project, file)
    project.pull()
    chance, killed = random.Random(0), 0
    # how long a whole build takes here and now: from the first line to the end
    span = 3.0
    for number in range(1, times + 1):
        for file in night(number):
            write(project, file)
            files.append(file)
        process = dbt_process(project)
        started = next(line for line in process.stdout if "1 of " in line)
        assert started
        began = time.monotonic()
        try:
            process.wait(chance.uniform(0, span))
            span = 0.8 * (time.monotonic() - began)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        process.stdout.close()
        outcome = project.dbt("run", "--select", "tag:daily_pull")
        assert outcome.success, outcome.messages
        assert_right(project, files)
    return killed


def test_a_build_killed_at_any_moment_is_made_good_by_the_next(project):
    assert kill_at_random_moments(project, 5) >= 3


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_build_killed_at_20_moments_is_made_good_by_the_next(project):
    assert kill_at_random_moments(project, 20) >= 12


def test_a_full_disk_and_a_taken_warehouse(project, monkeypatch, tmp_path):
    # the log that all tests share may be larger than the disk will be
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path))
    project.configure([{"district_id": d, "time_zone": z} for d, z in ZONES.items()])
    files = night(0)
    for file in files:
        write(project, file)
    project.pull()
    # ids that do not compress: a megabyte at least that the disk cannot take
    many = tuple(
        {"student_id": hashlib.sha256(b"%d" % n).hexdigest(), "app_id": "alpha",
         "usage_date": "2025-02-01", "usage_minutes": "1"}
        for n in range(30_000)
    )  # fmt: skip
    at = datetime(2025, 3, 1, 5)
    for file in (*night(1), Delivered("north/app_usage/many.csv", at, many)):
        write(project, file)
        files.append(file)
    limit = project.warehouse.stat().st_size + (1 << 16)

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    # dbt's own parse state is larger than the disk will be: let it be there before
    dbt_process(project, ["parse"]).communicate()
    process = dbt_process(project, preexec_fn=small_disk)
    output, _ = process.communicate()
    assert process.returncode != 0, output
    assert "Traceback" not in output

    with duckdb.connect(str(project.warehouse)):
        process = dbt_process(project)
        output, _ = process.communicate()
        assert process.returncode != 0
        assert "is in use by another process" in output
        assert "Traceback" not in output
    project.pull()
    assert_right(project, files)
