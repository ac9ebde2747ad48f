"""With a pseudonym key no raw id leaves staging but into the vault."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import stat

import duckdb
import pytest

from trackline.dbt_plugin import Plugin

KEY = "a key that only this test knows"
SEEN = (
    "raw-jane-4711",
    "râw-ünïcode-🦊-42",
    "raw-roster-13",
    "raw-event-99",
    "raw-user-77",
)
BAD = ("raw-reject-55", "raw-nöheader-66")


def pseudonym(user_id: str, district_id: str = "north") -> str:
    message = district_id.encode() + b"\0" + user_id.encode()
    return hmac.new(KEY.encode(), message, hashlib.sha256).hexdigest()[:32]


def test_raw_ids_stand_in_the_vault_alone(project, monkeypatch):
    monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", KEY)
    jane, fox, roster, event, user = SEEN
    usage = "student_id,app_id,usage_date,usage_minutes\n"
    project.deliver("north/app_usage/1.csv", usage + f"{jane},alpha,2025-02-01,10\n"
                    f"{fox},alpha,2025-02-01,1\n{BAD[0]},alpha,2025-02-01,{BAD[0]}\n"
                    f"{BAD[0]}\x07🦊,alpha,2025-02-01,1\n")  # fmt: skip
    project.deliver("north/app_usage/2.csv", f"{BAD[1]},alpha,2025-02-01,10\n")
    project.deliver("north/scores/1.csv", "student_id,measure,measured_on,score\n"
                    f"{jane},assessment,2025-02-01,90\n")  # fmt: skip
    project.deliver(
        "north/students/1.csv", f"student_id,school_id\n{roster},s1\n{jane},s1\n"
    )
    project.deliver("north/events/1.csv", "event_id,student_id,app_id,occurred_at\n"
                    f"e1,{event},alpha,2025-02-01T10:00:00\n")  # fmt: skip
    project.deliver("north/enrollments/1.csv", f"user_id,role\n{user},teacher\n")
    project.pull()

    own = {name: pseudonym(name) for name in SEEN}
    for table, column, names in (
        ("fct_daily_usage", "student_id", {jane, fox, event}),
        ("int_usage_totals", "student_id", {jane, fox, event}),
        ("fct_scores", "student_id", {jane}),
        ("int_student_roster", "student_id", {roster, jane}),
        ("int_event_versions", "student_id", {event}),
        ("int_enrollments", "user_id", {user}),
        ("dim_students", "student_id", {jane, fox, roster, event}),
        ("frames.district_north", "student_id", {jane, fox, roster, event}),
    ):
        found = {row[0] for row in project.rows(f"select {column} from {table}")}
        assert found == {own[name] for name in names}, table
    assert project.rows("select value from dq_rejected_rows"
                        " where path like '%1.csv' order by row_number") == [
        ("xxx-xxxxxx-99",), ("xxx-xxxxxx-99\x07x",),
    ]  # fmt: skip
    assert project.rows(
        "select unknown_columns from dq_files where path like '%2.csv'"
    ) == [(None,)]

    vault = project.warehouse.with_suffix(".vault.sqlite")
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600
    with sqlite3.connect(vault) as con:
        kept = con.execute(
            "select district_id, pseudonym, user_id from vault"
        ).fetchall()
    assert sorted(kept) == sorted(("north", own[name], name) for name in SEEN)

    leaks = [
        (path, raw)
        for path in project.root.parent.rglob("*")
        if path.is_file() and path != vault and project.landing not in path.parents
        for raw in (*SEEN, *BAD, KEY)
        if raw.encode() in path.read_bytes()
    ]
    assert leaks == []

    # another key, or none, would count every student twice
    before = project.table("dim_students"), project.table("dq_files")
    for other in ("another key", ""):
        monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", other)
        project.deliver(
            "north/app_usage/3.csv", usage + f"{jane},alpha,2025-02-02,10\n"
        )
        outcome = project.dbt("run", "--select", "tag:daily_pull")
        assert not outcome.success
        assert "TRACKLINE_PSEUDONYM_KEY is not the one" in str(outcome)
        assert (project.table("dim_students"), project.table("dq_files")) == before

    # a refresh under another key that dies half way leaves a warehouse that no key opens  # noqa: E501
    monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", "another key")
    half = ("run", "--full-refresh", "--select", "int_districts", "+int_score_versions")
    assert project.dbt(*half).success
    for key in (KEY, "another key"):
        monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", key)
        assert not project.dbt("run", "--select", "tag:daily_pull").success
    assert project.dbt("run", "--full-refresh", "--select", "tag:daily_pull").success
    students = {row[0] for row in project.rows("select student_id from dim_students")}
    assert len(students) == 4
    assert students.isdisjoint(own.values())


@pytest.mark.parametrize("key", [None, KEY])
def test_what_spills_to_disk_is_encrypted_under_a_key(tmp_path, monkeypatch, key):
    """A build that is killed leaves its spill files behind."""
    if key:
        monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", key)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        Plugin("trackline", {}).configure_connection(con)
        con.execute(f"set temp_directory = '{tmp_path}/spilled'")
        con.execute("set memory_limit = '40MB'; set threads = 1")
        con.execute(
            "create temp table raw as"
            " select 'raw-jane-' || md5(i::varchar) as id from range(1500000) as n(i)"
        )
        spilled = b"".join(
            path.read_bytes() for path in (tmp_path / "spilled").iterdir()
        )
    assert len(spilled) > 1 << 20
    assert (b"raw-jane-" in spilled) == (key is None)
