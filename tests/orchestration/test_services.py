"""Dagster as real processes, driven as its UI drives it, on the demo districts.

One Dagster serves all tests of this file, in their order.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from tests.orchestration.browser import browser, look
from tests.orchestration.services import ROOT, Services, running

pytestmark = [pytest.mark.service, pytest.mark.timeout(1800)]

IMAGES = ROOT / "docs" / "images"
SENSOR_SECONDS = 60
DISTRICTS = ["harborside", "kailani", "lakeview"]
TABLES = ("fct_daily_usage", "dim_students", "rpt_most_used_by_student")


class Inbox:
    """A webhook that keeps what is posted."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.messages.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.server.shutdown()


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, inbox: Inbox
) -> Iterator[Services]:
    services = Services(
        tmp_path_factory.mktemp("dagster") / "clone",
        {
            "TRACKLINE_SENSOR_SECONDS": str(SENSOR_SECONDS),
            "TRACKLINE_ALERT_WEBHOOK": inbox.url,
        },
    )
    services.prepare()
    started = time.monotonic()
    services.make_demo()
    # the night comes soon, but after the UI is up, however slow this machine is today
    margin = 40 + 2 * (time.monotonic() - started)
    services.tonight = datetime.now(UTC) + timedelta(seconds=60 + margin)
    services.environment["TRACKLINE_NIGHTLY_AT"] = f"{services.tonight:%H:%M}"
    with running(services):
        yield services


@pytest.fixture(scope="module")
def daily(services: Services) -> dict:
    """Two nightly runs together, the schedule's and one by hand, both to their end."""
    before = contents(services)
    off = services.schedule("nightly")["status"]
    services.start_schedule("nightly")

    def ticked() -> list:
        ticks = services.schedule("nightly")["ticks"]
        return [tick for tick in ticks if tick["status"] == "SUCCESS"]

    left = (services.tonight - datetime.now(UTC)).total_seconds()
    assert left > 0, "the machine is too slow for this test's clock"
    [tick] = services.wait(ticked, left + 300, "the schedule's tick")
    ids = [tick["runIds"][0], services.launch("daily")]
    runs = [services.succeed(run_id) for run_id in ids]
    return {"ids": ids, "runs": runs, "before": before, "off": off, "tick": tick}


def contents(services: Services) -> dict[str, list[tuple]]:
    return {t: services.rows(f"from {t} order by all") for t in TABLES}


def test_the_schedule_ticks_once_it_is_turned_on(services: Services, daily: dict):
    assert daily["off"] == "STOPPED"
    due = services.tonight.replace(second=0, microsecond=0).timestamp()
    assert daily["tick"]["timestamp"] == pytest.approx(due, abs=1)
    assert daily["runs"][0]["jobName"] == "daily"


def test_daily_runs_all_processes_in_order(daily: dict):
    for run in daily["runs"]:
        steps = {step["stepKey"]: step for step in run["stepStats"]}
        assert {step["status"] for step in steps.values()} == {"SUCCESS"}
        ends = [
            steps[name]["endTime"]
            for name in (
                *("dbt_daily_pull", "dbt_most_used", "dbt_recommendations"),
                "publish_districts",
            )
            if name in steps
        ]
        assert ends == sorted(ends)
        assert len(ends) >= 3


def test_two_runs_share_the_pool_of_one(daily: dict):
    spans = sorted(
        (step["startTime"], step["endTime"])
        for run in daily["runs"]
        for step in run["stepStats"]
    )
    for (_, end), (start, _) in pairwise(spans):
        assert start >= end - 0.05


def test_two_runs_harm_nothing(services: Services, daily: dict):
    assert contents(services) == daily["before"]


def test_materializations_carry_what_was_found(services: Services, daily: dict):
    ledger = services.metadata("dq_files")
    [[rows, rejects]] = services.rows(
        "select sum(rows_read), sum(rows_rejected) from dq_files"
    )
    assert (ledger["rows read"], ledger["rows rejected"]) == (rows, rejects)
    students = services.metadata("dim_students")
    [[count]] = services.rows("select count(*) from dim_students")
    assert students["dagster/row_count"] == count
    assert students["districts"] == 3
    counted = {
        row["district_id"]: row["rows"]
        for row in map(json.loads, students["rows by district"]["records"])
    }
    assert counted == dict(
        services.rows("select district_id, count(*) from dim_students group by all")
    )
    columns = students["dagster/column_schema"]["columns"]
    assert [column["name"] for column in columns][:2] == ["district_id", "student_id"]
    # students' rows are previewed nowhere
    assert "preview" not in students
    assert services.metadata("rpt_app_value")["preview"]["records"]


def test_each_district_is_published_and_checked(services: Services, daily: dict):
    for district in DISTRICTS:
        published = services.metadata("published", district)
        current = json.loads((services.serve / district / "current.json").read_text())
        assert published["version"] == current["version"]
        for name in ("hold", "freshness", "row_drop"):
            check = services.check(name, "published", district)
            assert check["success"], (district, name, check)


def test_a_delivery_is_held_and_the_others_go_on(services: Services, daily: dict):
    """Nine of ten rows are wrong: lakeview waits, the sensor and the others do not."""
    before = json.loads((services.serve / "lakeview" / "current.json").read_text())
    write_usage(services, "lakeview", "wrong.csv", students=6000, minutes="-1")
    write_usage(services, "kailani", "right.csv", students=3, minutes="20")
    # the sensor's run that read it: one may be under way that began before
    services.wait(
        lambda: services.rows(
            "select 1 from dq_files where path = 'lakeview/app_usage/wrong.csv'"
        ),
        20 * SENSOR_SECONDS,
        "a pull of what was delivered",
    )
    launched_by = {
        tag(run, "dagster/sensor_name") for run in services.runs("daily_pull")
    }
    assert "landing_files" in launched_by
    services.succeed(services.launch("most_used"))
    services.succeed(services.launch("publish"))
    held = services.check("hold", "published", "lakeview")
    assert not held["success"]
    assert held["severity"] == "WARN"
    counts = next(e for e in held["metadataEntries"] if e["label"] == "tables")
    ledger = {
        row["table"]: (row["before"], row["after"])
        for row in map(json.loads, counts["table"]["records"])
    }
    assert ledger["dq_files"][1] == ledger["dq_files"][0] + 1
    now = json.loads((services.serve / "lakeview" / "current.json").read_text())
    assert now == before
    assert services.check("hold", "published", "kailani")["success"]
    assert services.metadata("published", "kailani")["state"] == "published"


def test_the_browser_shows_it(services: Services, daily: dict, tmp_path: Path):
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser(tmp_path / "profile") as driver:
        groups = ("landing", "daily_pull", "most_used", "quality", "publishing")
        shown = look(
            driver, f"{services.url}/asset-groups", *groups, "configuration", settle=8
        )
        assert "models" in shown
        driver.save_screenshot(str(IMAGES / "asset-graph.png"))

        look(
            driver,
            f"{services.url}/runs/{daily['ids'][0]}",
            *("Success", "dbt_daily_pull", "publish_districts"),
        )
        driver.save_screenshot(str(IMAGES / "run.png"))

        look(
            driver,
            f"{services.url}/assets/published/lakeview?view=checks&checkDetail=hold",
            *("hold", "freshness", "row_drop", "readers still get"),
        )
        driver.save_screenshot(str(IMAGES / "held.png"))


def test_what_is_approved_is_published(services: Services):
    config = {"ops": {"publish_districts": {"config": {"approve": ["lakeview"]}}}}
    services.succeed(services.launch("publish", config))
    assert services.check("hold", "published", "lakeview")["success"]
    assert not (services.serve / "lakeview" / "held.json").exists()


def test_a_new_district_is_served_without_a_command(services: Services):
    others = {d: (services.serve / d / "current.json").read_bytes() for d in DISTRICTS}
    write_usage(services, "newtown", "first.csv", students=5, minutes="31")
    add_seed(
        services, "district_apps", district_id="newtown", app_id="tux", app_name="T"
    )
    row = {"as_of": "2026-03-31", "district_name": "New", "school_year_start": "08-01"}
    written_at = time.time()
    add_seed(services, "districts", district_id="newtown", time_zone="UTC", **row)
    current = services.serve / "newtown" / "current.json"
    services.wait(current.exists, 10 * SENSOR_SECONDS, "the new district's files")
    print(f"served {time.time() - written_at:.0f} s after its row was written")
    # told in ticks, for a busy machine takes its time over the build: the first look at
    # the seeds after the row was written asks for the run, or says why it waits
    ticks = services.sensor("new_districts")["ticks"]
    asked = min(
        tick["timestamp"]
        for tick in ticks
        if tick["runIds"] and tick["timestamp"] > written_at - 1
    )
    passed = [t for t in ticks if written_at < t["timestamp"] < asked]
    under_way = "a run that reads the landing folder is under way"
    assert {tick["skipReason"] for tick in passed} <= {under_way}
    assert json.loads(current.read_text())["row_counts"]["frame"] == 5
    [[ranked]] = services.rows(
        "select count(*) from rpt_most_used_by_student where district_id = 'newtown'"
    )
    assert ranked == 5
    now = {d: (services.serve / d / "current.json").read_bytes() for d in DISTRICTS}
    assert now == others


def test_a_failed_run_is_told_once(services: Services, inbox: Inbox):
    seed = services.seeds / "score_bands.csv"
    right = seed.read_bytes()
    seed.write_text("district_id,performance,lower_bound\n*,excellent,high\n")
    run_id = services.launch("daily_pull")
    failed = services.finish(run_id)
    seed.write_bytes(right)
    assert failed["status"] == "FAILURE"

    def told_of() -> list[dict]:
        return [m for m in inbox.messages if m["run_id"] == run_id]

    services.wait(told_of, 10 * SENSOR_SECONDS, "the message")
    told_at = time.time()
    services.wait(
        lambda: services.sensor("failed_runs")["ticks"][0]["timestamp"] > told_at,
        10 * SENSOR_SECONDS,
        "the next tick",
    )
    [told] = told_of()
    assert told["steps"] == ["dbt_daily_pull"]
    assert told["url"] == f"{services.url}/runs/{run_id}"


def test_a_held_warehouse_is_waited_for(services: Services):
    """Another program has the file open: the step tries again instead of failing."""
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(services.warehouse)], stdin=subprocess.PIPE
    ) as holder:
        services.wait(lambda: is_locked(services.warehouse), 600, "the lock")
        run_id = services.launch("daily_pull")
        services.wait(
            lambda: "STEP_UP_FOR_RETRY" in events_of(services, run_id), 600, "a retry"
        )
        holder.communicate(b"\n")
    services.succeed(run_id)
    # stepStats tells only of attempts that ended
    assert "STEP_RESTARTED" in events_of(services, run_id)


def events_of(services: Services, run_id: str) -> str:
    """Return the lines that the daemon logged of one run."""
    lines = services.log.read_text().splitlines()
    return "\n".join(line for line in lines if run_id in line)


def is_locked(path: Path) -> bool:
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.IOException:
        return True
    return False


def write_usage(
    services: Services, district: str, name: str, students: int, minutes: str
) -> None:
    folder = services.landing / district / "app_usage"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["student_id,app_id,usage_date,usage_minutes"]
    lines += [f"x{n:05},tux,2026-03-30,{minutes}" for n in range(students)]
    part = folder / f"{name}.part"
    part.write_text("\n".join(lines) + "\n")
    part.rename(folder / name)


def add_seed(services: Services, name: str, **cells: str) -> None:
    path = services.seeds / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream))
    with path.open("a", newline="", encoding="utf-8") as stream:
        csv.DictWriter(stream, header, restval="", lineterminator="\n").writerow(cells)


def tag(run: dict, key: str) -> str | None:
    return {entry["key"]: entry["value"] for entry in run["tags"]}.get(key)
