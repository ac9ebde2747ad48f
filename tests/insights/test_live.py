"""A live site: the same tables from a real PostgreSQL and a real MariaDB server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Project
from tests.insights.site import Site, build
from tests.insights.test_site import busy_site, enable

pytestmark = pytest.mark.service

COMPARED = {
    "int_indicator_values": "sample_id, range_index, indicator, value, purpose,"
    " model_id",
    "int_target_values": "*",
    "fct_daily_usage": "student_id, app_id, usage_date, usage_minutes, session_count",
    "fct_scores": "student_id, measure, app_id, assessment_id, measured_on, score",
    "rpt_predictions": "model_id, sample_id, range_index, prediction_score, reasons",
    "rpt_insight_recipients": "*",
}
# in the year 9999
FAR = 253370764800
# Moodle's own types where they are not bigint
TYPES = {
    "visible": "smallint",
    "status": "smallint",
    "crud": "varchar(1)",
    "finalgrade": "numeric(10,5)",
    "grademax": "numeric(10,5)",
    "grademin": "numeric(10,5)",
}


def schema_and_rows(site: Site, tinyint: str) -> str:
    """Moodle's tables as SQL, with the rows of a site."""
    statements = []
    tables = {**site.tables, "logstore_standard_log": site.log_rows}
    for name, rows in tables.items():
        if not rows:
            continue
        columns = list(dict.fromkeys(key for row in rows for key in row))
        declared = []
        for column in columns:
            values = {row.get(column) for row in rows} - {None}
            is_text = any(isinstance(value, str) for value in values)
            kind = TYPES.get(column, "varchar(1333)" if is_text else "bigint")
            if column in ("visible", "anonymous"):
                kind = tinyint
            declared.append(f"{column} {kind}")
        statements.append(f"create table mdl_{name} ({', '.join(declared)});")
        values = [
            "(" + ", ".join(literal(row.get(column)) for column in columns) + ")"
            for row in rows
        ]
        statements.append(f"insert into mdl_{name} values {', '.join(values)};")
    return "\n".join(statements)


def literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A database server of this test alone."""

    kind: str
    attach: str
    tinyint: str

    def run(self, *command: str, given: str = "", user: str = "") -> str:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **({"user": user} if user and os.geteuid() == 0 else {}),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Postgres(Server):
    kind, tinyint = "postgres", "smallint"

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            pytest.skip("no PostgreSQL server here")
        self.bin, self.folder, self.port = found[-1].parent, folder, free_port()
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        self.attach = f"host=127.0.0.1 port={self.port} user=moodle dbname=postgres"
        self.call("initdb", "-D", "data", "-U", "moodle", "--auth=trust", "-N")
        options = f"-p {self.port} -h 127.0.0.1 -k {folder} -c fsync=off"
        self.call("pg_ctl", "-D", "data", "-l", "log", "-o", options, "-w", "start")

    def call(self, program: str, *arguments: str, given: str = "") -> str:
        return self.run(str(self.bin / program), *arguments, given=given, user="nobody")

    def execute(self, sql: str) -> None:
        where = f"postgresql://moodle@127.0.0.1:{self.port}/postgres"
        self.call("psql", where, "-v", "ON_ERROR_STOP=1", "-q", given=sql)

    def stop(self) -> None:
        self.call("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")


class MariaDB(Server):
    # MySQL's tinyint(1) reads as a boolean
    kind, tinyint = "mysql", "tinyint(1)"

    def __init__(self, folder: Path) -> None:
        install = shutil.which("mariadb-install-db")
        daemon = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        if not install or not Path(daemon).exists():
            pytest.skip("no MariaDB server here")
        self.folder, self.port = folder, free_port()
        self.attach = f"host=127.0.0.1 port={self.port} user=moodle database=moodle"
        data = f"--datadir={folder}/data"
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        common = ["--no-defaults", data, "--user=nobody"]
        self.run(
            install, *common, "--auth-root-authentication-method=normal",
            "--skip-test-db", user="nobody",
        )  # fmt: skip
        self.socket = f"{folder}/socket"
        self.process = subprocess.Popen(
            [
                daemon, *common, f"--port={self.port}", f"--socket={self.socket}",
                "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0",
                f"--pid-file={folder}/pid", f"--log-error={folder}/log",
            ],
            **({"user": "nobody"} if os.geteuid() == 0 else {}),
        )  # fmt: skip
        for _ in range(300):
            if Path(self.socket).exists():
                break
            time.sleep(0.2)
        self._client(
            "create database moodle character set utf8mb4; create user moodle@'%';"
            " grant all on moodle.* to moodle@'%'; flush privileges;",
            "mysql",
        )

    def _client(self, sql: str, database: str) -> None:
        self.run(
            "mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", database,
            given=sql,
        )  # fmt: skip

    def execute(self, sql: str) -> None:
        # ANSI quotes are not needed; backslashes in event names are no escapes
        self._client("set sql_mode = 'NO_BACKSLASH_ESCAPES';" + sql, "moodle")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(params=[Postgres, MariaDB], ids=["postgres", "mariadb"])
def server(request) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = request.param(Path(folder))
        yield started
        started.stop()


def profile(server: Server, folder: Path) -> None:
    """Write a profile with the site attached, as docs/learning-analytics.md tells."""
    with (ROOT / "dbt_project" / "profiles.yml").open() as stream:
        profiles = yaml.safe_load(stream)
    profiles["trackline"]["outputs"]["dev"]["attach"].append(
        {
            "path": server.attach,
            "type": server.kind,
            "alias": "moodle_north",
            "read_only": True,
        }
    )
    (folder / "profiles.yml").write_text(yaml.safe_dump(profiles))


@pytest.fixture(scope="module")
def from_files(project_root) -> dict[str, list[tuple]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        shutil.rmtree(project_root, ignore_errors=True)
        project = Project(project_root, monkeypatch)
        busy_site().deliver(project)
        enable(project)
        build(project)
        return {
            name: project.table(name, columns) for name, columns in COMPARED.items()
        }


def test_a_live_site_gives_what_its_files_give(
    from_files, server, project, tmp_path, monkeypatch
):
    profile(server, tmp_path)
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    site = busy_site()
    server.execute(schema_and_rows(site, server.tinyint))
    enable(project)
    build(project)
    for name, columns in COMPARED.items():
        assert project.table(name, columns) == from_files[name], name

    # the next night: a row more, an older one that was committed late, a grade
    # corrected
    newest = max(row["timecreated"] for row in site.log_rows)
    rows = len(site.log_rows)
    for number, at in ((rows + 1, newest + 60), (rows + 2, newest - 600)):
        server.execute(
            "insert into mdl_logstore_standard_log (id, eventname, component, crud,"
            " contextlevel, userid, courseid, anonymous, timecreated) values"
            f" ({number}, 'e', 'mod_page', 'r', 70, 104, 20, 0, {at});"
        )
    server.execute("update mdl_grade_grades set finalgrade = 25 where id = 1;")
    build(project)
    assert project.rows("select count(*) from int_moodle_log") == [(rows + 2,)]
    assert project.rows(
        "select score::varchar from fct_scores where measure = 'assessment'"
    ) == [("50.000000",)]
    # an hour's overlap and no more: the whole log was not read again
    assert project.rows(
        "select rows_read < 10 from dq_files where table_name ="
        " 'moodle/logstore_standard_log' order by loaded_at desc limit 1"
    ) == [(True,)]

    # a third night, its source's rows being what they were: nothing is told twice, and
    # a row of a time to come does not silence the log
    server.execute(
        "insert into mdl_user_lastaccess (userid, courseid) values (null, 20);"
        "insert into mdl_logstore_standard_log (id, eventname, component, crud,"
        " contextlevel, userid, courseid, anonymous, timecreated) values"
        f" ({rows + 3}, 'e', 'mod_page', 'r', 70, 104, 20, 0, {FAR});"
    )
    for number in (4, 5):
        build(project)
        assert project.rows(
            "select table_name, rule from dq_rejected_rows where table_name ="
            " 'moodle/user_lastaccess'"
        ) == [("moodle/user_lastaccess", "missing_value")]
        assert project.rows(
            "select count(*), count(distinct path) from dq_files"
            " where table_name not like 'moodle/log%'"
        ) == [(len(site.tables),) * 2]
        server.execute(
            "insert into mdl_logstore_standard_log (id, eventname, component, crud,"
            " contextlevel, userid, courseid, anonymous, timecreated) values"
            f" ({rows + number}, 'e', 'mod_page', 'r', 70, 104, 20, 0, {newest + 90});"
        )
    build(project)
    assert project.rows(
        f"select count(*) from int_moodle_log where happened_at = {newest + 90}"
    ) == [(2,)]
