"""`kill -9` of a run in the middle of its work, and "Retry from failure"."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tests.orchestration.services import ROOT, Services, running

pytestmark = [
    *(pytest.mark.long, pytest.mark.service),
    pytest.mark.timeout(1800),
]

STUDENTS = 40_000
"""Rows of a night: enough for a merge that lasts longer than a look at its log."""

LOGS = """
query Logs($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
} } } }
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = Services(
        tmp_path_factory.mktemp("killed") / "clone",
        # no sensor gets in between
        {"TRACKLINE_SENSOR_SECONDS": "3600"},
    )
    services.prepare()
    services.make_demo()
    with running(services):
        yield services


class Reader(threading.Thread):
    """Reads every district's current version, again and again."""

    def __init__(self, serve: Path) -> None:
        super().__init__(daemon=True)
        self.serve = serve
        self.is_over = threading.Event()
        self.errors: list[str] = []
        self.versions: set[str] = set()
        self.looks = 0

    def run(self) -> None:
        while not self.is_over.is_set():
            for district in ("harborside", "kailani", "lakeview"):
                try:
                    self.look(self.serve / district)
                except (OSError, ValueError, AssertionError, duckdb.Error) as error:
                    self.errors.append(f"{district}: {error!r}")
            time.sleep(0.02)

    def look(self, folder: Path) -> None:
        current = json.loads((folder / "current.json").read_text())
        path = folder / f"{current['version']}.duckdb"
        with duckdb.connect(str(path), read_only=True) as con:
            for table, rows in current["row_counts"].items():
                found = con.execute(f'select count(*) from "{table}"').fetchall()
                assert found == [(rows,)], (table, found, rows)
        self.versions.add(current["version"])
        self.looks += 1


@pytest.fixture
def reader(services: Services) -> Iterator[Reader]:
    reader = Reader(services.serve)
    reader.start()
    yield reader
    reader.is_over.set()
    reader.join(30)


def deliver(services: Services, night: int) -> None:
    folder = services.landing / "lakeview" / "app_usage"
    lines = ["student_id,app_id,usage_date,usage_minutes"]
    lines += [f"k{n:06},tux,2026-03-{20 + night},{n % 90 + 1}" for n in range(STUDENTS)]
    (folder / f"night{night}.csv.part").write_text("\n".join(lines) + "\n")
    (folder / f"night{night}.csv.part").rename(folder / f"night{night}.csv")


def process_of(services: Services, run_id: str) -> int:
    """Return the process id of a run, as its log tells it."""

    def told() -> int | None:
        for event in services.ask(LOGS, id=run_id)["logsForRun"]["events"]:
            for entry in event.get("metadataEntries", ()):
                if entry["label"] == "pid":
                    return int(entry["text"])
        return None

    return services.wait(told, 120, "the run's process")


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    tasks = Path(f"/proc/{pid}/task").iterdir() if found.exists() else ()
    return [int(c) for t in tasks for c in (t / "children").read_text().split()]


def kill_when(condition: Callable[[], bool], pid: int, with_children: bool) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "the moment to kill did not come"
        assert Path(f"/proc/{pid}").exists(), "the run ended before it was killed"
        time.sleep(0.002)
    victims = [*(children(pid) if with_children else ()), pid]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)


def is_at(services: Services, process: str, model: str) -> Callable[[], bool]:
    """Return whether dbt has begun a model in this run and not ended it."""
    log = services.folder / "target" / "dagster" / process / "dbt.log"
    seen = log.stat().st_size if log.exists() else 0

    def begun() -> bool:
        if not log.exists():
            return False
        with log.open("rb") as stream:
            stream.seek(seen)
            text = stream.read().decode(errors="replace")
        return f"Began executing node model.trackline.{model}" in text

    return begun


def is_publishing(services: Services) -> Callable[[], bool]:
    return lambda: any(services.serve.glob("*/.new-*"))


def expected(services: Services) -> dict[str, list[tuple]]:
    """Return the tables of an uninterrupted build of the same files."""
    services.environment["TRACKLINE_WAREHOUSE"] = str(services.folder / "calm.duckdb")
    try:
        services.command("dbt", "build", "--quiet", cwd=ROOT / "dbt_project")
        return tables(services.folder / "calm.duckdb")
    finally:
        services.environment["TRACKLINE_WAREHOUSE"] = str(services.warehouse)
        (services.folder / "calm.duckdb").unlink()


def tables(path: Path) -> dict[str, list[tuple]]:
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'main' and table_name similar to"
            " '(fct|dim|rpt|dq)_.*' order by all"
        ).fetchall()
        return {
            # when a row was loaded is not what was loaded
            name: con.execute(
                f"select columns(c -> c != 'loaded_at') from {name} order by all"
            ).fetchall()
            for (name,) in names
        }


CASES = [
    pytest.param(1, "daily_pull", "int_usage_versions", True, id="merge"),
    pytest.param(2, "daily_pull", "int_usage_versions", False, id="merge-orphan"),
    pytest.param(3, "recommendations", "int_recommendations", True, id="recommender"),
    pytest.param(4, "publish", "", False, id="publish"),
]


@pytest.mark.parametrize(("night", "process", "model", "with_children"), CASES)
def test_a_killed_run_is_retried_to_the_same_tables(
    services: Services,
    reader: Reader,
    night: int,
    process: str,
    model: str,
    with_children: bool,
):
    deliver(services, night)
    if process == "publish":
        moment = is_publishing(services)
    else:
        moment = is_at(services, process, model)
    run_id = services.launch("daily")
    kill_when(moment, process_of(services, run_id), with_children)
    failed = services.finish(run_id, 120)
    assert failed["status"] == "FAILURE"
    done = {s["stepKey"] for s in failed["stepStats"] if s["status"] == "SUCCESS"}

    again = services.succeed(services.retry(run_id), 600)
    # only what had not ended is done again
    assert not done & {step["stepKey"] for step in again["stepStats"]}
    found, right = tables(services.warehouse), expected(services)
    assert found.keys() == right.keys()
    # not in one assertion: pytest would spend minutes on the difference of two tables
    assert [name for name in right if found[name] != right[name]] == []
    assert reader.errors == []
    assert reader.looks > 0
