"""The production set-up: storage and run queue on a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.services import ROOT, Services, free_port, running

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """A PostgreSQL cluster of this test alone; never run as root, which it refuses."""

    def __init__(self, folder: Path) -> None:
        self.bin = BINARIES[-1]
        self.folder = folder
        self.port = free_port()
        self.user = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "nobody")
        self.url = f"postgresql://dagster@127.0.0.1:{self.port}/postgres"

    def call(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        self.call("initdb", "-D", "cluster", "-U", "dagster", "--auth=trust", "-N")
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        self.call("pg_ctl", "-D", "cluster", "-l", "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self.call("pg_ctl", "-D", "cluster", "-m", "immediate", "-w", "stop")

    def query(self, sql: str) -> list[str]:
        return self.call("psql", self.url, "-Atc", sql).split()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if not BINARIES:
        pytest.skip("no PostgreSQL server here")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        postgres = Postgres(Path(folder))
        postgres.start()
        yield postgres
        postgres.stop()


def test_runs_are_queued_and_kept_in_postgres(postgres: Postgres, tmp_path: Path):
    """As in docs/operations.md: web server and daemon as services of their own."""
    home = tmp_path / "home"
    services = Services(
        tmp_path / "clone",
        {
            "DAGSTER_HOME": str(home),
            # dagster-postgres writes NOTIFY as psycopg2 alone takes it
            "DAGSTER_PG_URL": postgres.url.replace("://", "+psycopg2://"),
            "TRACKLINE_ENVIRONMENT": "production",
            "TRACKLINE_SENSOR_SECONDS": "3600",
        },
    )
    services.prepare()
    services.command("trackline", "demo")
    home.mkdir()
    shutil.copy(ROOT / "deploy" / "dagster-postgres.yaml", home / "dagster.yaml")
    webserver = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(services.port)]
    with running(services, webserver, ["dagster._daemon", "run"]):
        # production: the schedule runs without being turned on
        assert services.schedule("nightly")["status"] == "RUNNING"
        run_id = services.launch("daily_pull")
        services.succeed(run_id, 400)
    assert services.rows("select count(*) > 0 from fct_daily_usage") == [(True,)]
    found = postgres.query(f"select status from runs where run_id = '{run_id}'")
    assert found == ["SUCCESS"]
    events = postgres.query(
        "select count(*) from event_logs where dagster_event_type"
        f" in ('PIPELINE_ENQUEUED', 'PIPELINE_SUCCESS') and run_id = '{run_id}'"
    )
    assert events == ["2"]
    [slots] = postgres.query("select count(*) from concurrency_limits")
    assert int(slots) >= 1
    # nothing is kept beside it
    assert not list(home.rglob("*.db"))
