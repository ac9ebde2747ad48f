"""A forgotten student is gone from every table and file, and stays gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from subprocess import CompletedProcess

import duckdb
import pytest

from trackline import forgetting, privacy
from trackline.landing import discover, inspect
from trackline.landing.stage import read_files
from trackline.publish import publish
from trackline.recommender import store
from trackline.settings import RefusedError, Settings

FORGOTTEN, KEPT = "forget-me-4711", "keep-me-0815"


def deliver(project):
    days = [f"2025-02-{day:02}" for day in range(3, 15)]
    project.deliver(
        "north/app_usage/1.csv",
        [
            {"student_id": s, "app_id": app, "usage_date": day, "usage_minutes": "9"}
            for s in (FORGOTTEN, KEPT)
            for app in ("alpha", "beta")
            for day in days
        ]
        + [
            {
                "student_id": f"{FORGOTTEN},?",
                "app_id": "alpha",
                "usage_date": "tomorrow",
                "usage_minutes": "1",
            }
        ],
    )
    project.deliver(
        "north/scores/1.csv",
        [
            {
                "student_id": s,
                "measure": "assessment",
                "score": score,
                "measured_on": "2025-02-10",
            }
            for s, score in ((FORGOTTEN, 90), (KEPT, 60))
        ],
    )
    project.deliver("north/students/1.csv", f"student_id\n{FORGOTTEN}\n{KEPT}\n")


def files_naming(root, name: str) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and "landing" not in path.parts
        if name.encode() in path.read_bytes()
    )


@pytest.mark.parametrize("key", [None, "a secret"])
def test_gone_for_good(project, monkeypatch, key):
    if key:
        monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", key)
    deliver(project)
    project.build()
    settings = Settings.from_environment()
    publish(settings)
    stored = privacy.pseudonym(key, "north", FORGOTTEN) if key else FORGOTTEN
    assert project.rows(
        "select count(*) from dim_students where student_id = ?", [stored]
    ) == [(1,)]

    knew = store.versions(settings.models, "north")
    assert len(knew) == 1

    def held(*arguments):
        raise RefusedError("something else holds the warehouse")

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "_dbt", held)
        with pytest.raises(RefusedError, match="holds"):
            forgetting.forget(settings, "north", FORGOTTEN)
    assert store.versions(settings.models, "north") == knew

    everywhere = {"district_id": "*", "user_id": FORGOTTEN, "role": "teacher"}
    project.write_seed("role_assignments", [everywhere])
    forgetting.forget(settings, "north", FORGOTTEN)
    assert project.rows("select * from role_assignments") == []
    project.write_seed("role_assignments", [])

    (learned_again,) = store.versions(settings.models, "north")
    assert learned_again not in knew
    for name in {stored, FORGOTTEN}:
        assert files_naming(project.root, name) == []
    kept = privacy.pseudonym(key, "north", KEPT) if key else KEPT
    assert project.rows("select student_id from dim_students") == [(kept,)]
    assert project.rows(
        "select sum(student_count) from rpt_most_used_by_district"
        " where scope = 'district' and app_id = 'alpha'"
    ) == [(1,)]
    before = project.rows("select count(*), sum(usage_minutes) from fct_daily_usage")
    # neither a full refresh nor a later delivery brings the student back
    project.deliver(
        "north/app_usage/2.csv",
        [
            {
                "student_id": FORGOTTEN,
                "app_id": "alpha",
                "usage_date": "2025-02-20",
                "usage_minutes": "1",
            },
            # a column too many before it: the id is told as a date that is none
            {
                "student_id": "alpha",
                "app_id": "alpha",
                "usage_date": FORGOTTEN,
                "usage_minutes": "1",
            },
        ],
        "2025-03-01T06:00:00",
    )
    project.build("--full-refresh")
    assert project.rows(
        "select rule, value from dq_rejected_rows where path like '%2.csv'"
    ) == [("bad_date", "xxxxxx-xx-9999" if key else None)]
    assert (
        project.rows("select count(*), sum(usage_minutes) from fct_daily_usage")
        == before
    )
    assert project.rows("select student_id from dim_students") == [(kept,)]
    assert project.rows(
        "select rows_read, rows_accepted from dq_files where path like '%2.csv'"
    ) == [(2, 1)]


def test_an_unknown_district_is_refused(project):
    with pytest.raises(RefusedError, match="south"):
        forgetting.forget(Settings.from_environment(), "south", "1")


@pytest.mark.parametrize("key", [None, "a secret"])
def test_a_list_of_administrators_loses_the_student(project, monkeypatch, key):
    """From the warehouse at once, and from whatever is read later."""
    if key:
        monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", key)
    settings = Settings.from_environment()

    def stored(*ids):
        return ",".join(privacy.pseudonym(key, "north", i) if key else i for i in ids)

    project.deliver(
        "north/moodle/config.csv",
        f'id,name,value\n1,siteguest,{FORGOTTEN}\n2,siteadmins,"2,{FORGOTTEN},{KEPT}"\n'
        "3,enablecompletion,1\n",
    )

    def load():
        with duckdb.connect(str(project.warehouse)) as con:
            files = inspect(discover(settings.landing, {"north": "UTC"}), con)
            rows = read_files(con, "moodle/config", files, settings)
            con.execute(
                "create or replace table int_moodle_records as select *,"
                " 'moodle/config' as table_name, 0 as contextlevel, '' as instanceid,"
                f" from ({rows.sql_query()}) order by id"
            )

    project.warehouse.parent.mkdir()
    load()
    read = "select setting from int_moodle_records where is_loaded"
    before = [(stored(FORGOTTEN),), (stored("2", FORGOTTEN, KEPT),), ("1",)]
    assert project.rows(read) == before
    monkeypatch.setenv("TRACKLINE_FORGET_DISTRICT", "north")
    monkeypatch.setenv("TRACKLINE_FORGET_STUDENT", stored(FORGOTTEN))
    assert project.dbt("run-operation", "forget_student").success
    after = [("",), (stored("2", KEPT),), ("1",)]
    assert project.rows(read) == after
    privacy.forget(settings, "north", FORGOTTEN)
    load()
    assert project.rows(read) == after


def test_a_district_that_left_can_still_be_asked_to_forget(project, monkeypatch):
    """Its facts and its last publication stay, so its students may ask."""
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    for district in ("north", "south"):
        project.deliver(
            f"{district}/app_usage/1.csv",
            "student_id,app_id,usage_date,usage_minutes\n"
            f"{FORGOTTEN},alpha,2025-02-03,9\n{KEPT},alpha,2025-02-03,9\n"
            # dates that are none: the id within another word, and among others
            f"1,alpha,{FORGOTTEN}5,9\n1,alpha,{FORGOTTEN};2,9\n",
        )
    project.build("--exclude-resource-type", "test", "unit_test")
    settings = Settings.from_environment()
    project.configure([{"district_id": "north"}])
    # blanks around an id are trimmed in files, so here too
    assert forgetting.forget(settings, "south", f" {FORGOTTEN} ")
    assert project.rows(
        "select district_id, student_id from fct_daily_usage group by all order by all"
    ) == [("north", FORGOTTEN), ("north", KEPT), ("south", KEPT)]
    assert project.rows(
        "select value from dq_rejected_rows where district_id = 'south' order by all"
    ) == [(f"{FORGOTTEN}5",), (None,)]
    # a mistyped id must not pass for one that was forgotten; nothing is left to build
    monkeypatch.setattr(forgetting, "_dbt", lambda *arguments: None)
    assert not forgetting.forget(settings, "north", f"{FORGOTTEN}0")
    with pytest.raises(RefusedError, match="id is needed"):
        forgetting.forget(settings, "north", " ")


def test_a_warehouse_that_lacks_tables_can_forget(project):
    """A first build that was killed has made the facts and not yet the ledger."""
    deliver(project)
    project.build(
        "--select", "resource_type:seed", "+int_usage_versions",
        "--exclude-resource-type", "test", "unit_test",
    )  # fmt: skip
    assert not project.rows(
        "select 1 from duckdb_tables() where table_name = 'dq_rejected_rows'"
    )
    assert forgetting.forget(Settings.from_environment(), "north", FORGOTTEN)
    project.pull()
    assert project.rows("select distinct student_id from fct_daily_usage") == [(KEPT,)]


def test_why_dbt_failed_is_told(monkeypatch):
    """What Python warns of on the way is not the reason."""
    done = CompletedProcess([], 2, "Database Error\n  no space left\n", "a warning\n")
    monkeypatch.setattr(forgetting.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(RefusedError, match=r"warehouse: no space left\. Run the same"):
        forgetting._dbt("build", "", "north", FORGOTTEN)


def test_a_locked_vault_is_emptied_by_the_same_command(project, monkeypatch):
    """A build writes the vault, or a run dies: the list alone is not enough."""
    settings = Settings.from_environment()
    settings.warehouse.parent.mkdir(parents=True)
    monkeypatch.setattr(
        privacy.sqlite3, "connect", partial(sqlite3.connect, timeout=0.01)
    )
    with closing(privacy._vault(settings)) as build:
        with build:
            build.execute("insert into vault values ('north', 'p', ?)", [FORGOTTEN])
        build.execute("begin exclusive")
        with pytest.raises(RefusedError, match=r"locked.*Run the same command again"):
            privacy.forget(settings, "north", FORGOTTEN)
        build.rollback()
        privacy.forget(settings, "north", FORGOTTEN)
        assert build.execute("select * from vault").fetchall() == []
    assert len(privacy._forgotten(settings)) == 1


def test_two_at_once_are_both_listed(project, monkeypatch):
    """Without a lock each would replace the list that the other has not read."""
    settings, read = Settings.from_environment(), privacy._forgotten
    both = threading.Barrier(2)

    def slowly(settings):
        rows = read(settings)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return rows

    monkeypatch.setattr(privacy, "_forgotten", slowly)
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(privacy.forget, settings, "north"), "12"))
    assert len({row["digest"] for row in read(settings)}) == 2
    assert len({row["salt"] for row in read(settings)}) == 1


def warehouse_of_two_rows(path):
    with duckdb.connect(str(path)) as con:
        con.execute("create table t as select 1 as x")
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute("insert into t values (2)")
    assert path.with_name(f"{path.name}.wal").exists()


def test_a_log_of_a_killed_build_is_not_played_back_twice(tmp_path):
    kept = tmp_path / "disk" / "kept.duckdb"
    kept.parent.mkdir()
    warehouse_of_two_rows(kept)
    kept.chmod(0o600)
    link = tmp_path / "warehouse.duckdb"
    link.symlink_to(kept)
    forgetting.compact(link)
    assert link.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(link)) as con:
        assert con.sql("from t").fetchall() == [(1,), (2,)]
    assert [path.name for path in kept.parent.iterdir()] == ["kept.duckdb"]


def test_a_warehouse_that_is_held_is_not_written_anew(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    code = (
        f"import duckdb; con = duckdb.connect({str(path)!r});"
        "con.execute('create table t (x int)'); print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RefusedError, match="Run the same command again"):
            forgetting.compact(path)
        holder.communicate("\n")
    assert [path.name for path in tmp_path.iterdir()] == ["warehouse.duckdb"]
