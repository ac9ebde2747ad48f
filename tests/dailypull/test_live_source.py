"""A live table gives what its rows in files give, and is read incrementally."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.insights.test_live import Postgres

pytestmark = pytest.mark.service

TABLES = """
create table app_usage (
    district_id text, student_id text, app_id text, usage_date date,
    usage_minutes numeric(18, 6), session_count int, is_deleted boolean,
    updated_at timestamptz);
create table scores (
    district_id text, student_id text, measure text, score double precision,
    max_score double precision, measured_on date, updated_at timestamp);
insert into app_usage values
    ('north', '001', 'alpha', '2025-02-01', 10.5, 2, false, '2025-02-02 00:00+00'),
    ('north', '002', 'alpha', '2025-02-01', 2000, 1, false, '2025-02-02 00:00+00'),
    ('south', '001', 'alpha', '2025-02-01', 30, 1, false, '2025-02-09 00:00+00'),
    ('elsewhere', '001', 'alpha', '2025-02-01', 30, 1, false, '2025-02-02 00:00+00');
insert into scores values
    ('north', '001', 'assessment', 45, 50, '2025-02-01', '2025-02-02 00:00');
"""


@pytest.fixture
def server() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = Postgres(Path(folder))
        yield started
        started.stop()


def test_read_by_each_districts_own_watermark(project, server, monkeypatch):
    monkeypatch.setenv("TRACKLINE_SOURCE", server.attach)
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    server.execute(TABLES)
    project.pull("--target", "live")
    facts = "district_id, student_id, usage_minutes::varchar, session_count"
    assert project.table("fct_daily_usage", facts) == [
        ("north", "001", "10.500000", 2),
        ("south", "001", "30.000000", 1),
    ]
    assert project.table("fct_scores", "student_id, score::varchar") == [
        ("001", "90.000000")
    ]
    assert project.table("dq_rejected_rows", "path, rule, value") == [
        ("north/app_usage (source)", "out_of_range", "2000.000000")
    ]

    # north is behind south: its late rows must not be missed; what was read stays read
    server.execute("""
        insert into app_usage values
            ('north', '003', 'beta', '2025-02-03', 1, 1, false, '2025-02-04 00:00+00'),
            ('north', '001', 'alpha', '2025-02-01', 12, 3, false,
             '2025-02-05 00:00+00');
        insert into app_usage values
            ('south', '001', 'alpha', '2025-02-01', null, null, true,
             '2025-02-10 00:00+00');""")
    project.pull("--target", "live")
    assert project.table("fct_daily_usage", facts) == [
        ("north", "001", "12.000000", 3),
        ("north", "003", "1.000000", 1),
    ]
    # the two new rows and the two at the watermark, not the table
    assert project.rows(
        "select path, rows_read from dq_files where path like '%(source)'"
        " order by loaded_at desc, path limit 2"
    ) == [("north/app_usage (source)", 4), ("south/app_usage (source)", 2)]

    # a build with nothing new reads no row
    before = project.table("dq_files")
    project.pull("--target", "live")
    assert project.table("dq_files") == before

    # one that was written within the hour and committed late, and one of a time to
    # come: it waits, and does not silence its district
    server.execute("""
        insert into app_usage values
            ('north', '004', 'beta', '2025-02-03', 4, 1, false, '2025-02-04 23:30+00'),
            ('north', '005', 'beta', '2025-02-03', 5, 1, false, '9999-01-01 00:00+00');
        """)
    project.pull("--target", "live")
    server.execute("""
        insert into app_usage values
            ('north', '006', 'beta', '2025-02-03', 6, 1, false, '2025-02-06 00:00+00');
        """)
    project.pull("--target", "live")
    assert project.table("fct_daily_usage", facts) == [
        ("north", "001", "12.000000", 3),
        ("north", "003", "1.000000", 1),
        ("north", "004", "4.000000", 1),
        ("north", "006", "6.000000", 1),
    ]
    assert project.rows(
        "select distinct rule, column_name from dq_rejected_rows"
        " where value like '9999%'"
    ) == [("future_date", "updated_at")]


def test_rows_that_could_not_be_fetched_are_fetched_later(project, server, monkeypatch):
    monkeypatch.setenv("TRACKLINE_SOURCE", server.attach)
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    server.execute(TABLES)
    # what a column turns into when the connection breaks in the middle
    server.execute("""
        alter table app_usage rename to kept;
        create view app_usage as
        select district_id, student_id, app_id, usage_date, session_count, is_deleted,
            updated_at, case when district_id = 'north'
                then (1 / (session_count - session_count)) else usage_minutes
                end as usage_minutes
        from kept;""")
    project.pull("--target", "live")
    assert project.table("fct_daily_usage", "district_id") == [("south",)]
    assert project.rows(
        "select status from dq_files where path = 'north/app_usage (source)'"
    ) == [("unavailable",)]
    assert project.table("dq_rejected_rows") == []
    server.execute("drop view app_usage; alter table kept rename to app_usage;")
    project.pull("--target", "live")
    assert project.table("fct_daily_usage", "district_id") == [("north",), ("south",)]
    assert project.rows(
        "select status from dq_files where path = 'north/app_usage (source)'"
    ) == [("loaded",)]
