"""Dagster as an operator has it: web server, daemon and code location as processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx

ROOT = Path(__file__).resolve().parents[2]
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
LOCATION = {
    "repositoryLocationName": "trackline",
    "repositoryName": "__repository__",
}

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
RETRY = """
mutation Retry($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      status
      jobName
      startTime
      endTime
      stepStats { stepKey status startTime endTime attempts { startTime } }
    }
  }
}
"""
RUNS = """
query { runsOrError(limit: 200) { ... on Runs { results {
  runId jobName status startTime endTime tags { key value }
} } } }
"""
ASSET = """
query Asset($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(limit: 5) {
    runId
    metadataEntries {
      label
      ... on IntMetadataEntry { intValue }
      ... on TextMetadataEntry { text }
      ... on TableMetadataEntry { table { records } }
      ... on TableSchemaMetadataEntry { schema { columns { name type } } }
    }
  } assetObservations(limit: 5) { metadataEntries { label } } } }
}
"""
CHECK = """
query Check($key: AssetKeyInput!, $name: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $name, limit: 5) {
    status
    evaluation { success severity metadataEntries {
      label
      ... on IntMetadataEntry { intValue }
      ... on TextMetadataEntry { text }
      ... on TableMetadataEntry { table { records } }
    } }
  }
}
"""
INSTIGATORS = """
query Instigators($repository: RepositorySelector!) {
  repositoryOrError(repositorySelector: $repository) { ... on Repository {
    schedules { name scheduleState { id selectorId status ticks(limit: 20) {
      status timestamp runIds
    } } }
    sensors { name sensorState { id selectorId status ticks(limit: 20) {
      status timestamp runIds skipReason error { message }
    } } }
  } }
}
"""
START_SCHEDULE = """
mutation Start($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {
    __typename ... on PythonError { message }
  }
}
"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Services:
    """A Dagster, its folders, and what a browser would send to it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.landing = self.data / "landing"
        self.seeds = folder / "seeds"
        self.serve = self.data / "serve"
        self.warehouse = self.data / "warehouse.duckdb"
        self.tonight = datetime.max
        self.log = folder / "dagster.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("DAGSTER_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TRACKLINE_LANDING": str(self.landing),
            "TRACKLINE_SEEDS": str(self.seeds),
            "TRACKLINE_SERVE": str(self.serve),
            "TRACKLINE_WAREHOUSE": str(self.warehouse),
            "TRACKLINE_MODELS": str(self.data / "models"),
            "TRACKLINE_UI_URL": self.url,
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "target"),
            **environment,
        }
        self.processes: list[subprocess.Popen] = []

    def prepare(self) -> None:
        """Lay the folder out as a clone is: what `dagster dev` reads, and seeds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("dagster.yaml", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        shutil.copytree(ROOT / "seeds", self.seeds)

    def command(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run a command to its end in the services' environment."""
        done = subprocess.run(
            arguments,
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout

    def make_demo(self) -> None:
        """Do what `make demo` does before someone opens the UI."""
        self.command("trackline", "demo")
        self.command("dbt", "build", "--quiet", cwd=ROOT / "dbt_project")
        self.command("trackline", "publish")

    def start(self, *commands: list[str]) -> None:
        """Start processes (`dagster dev` by default) and wait for the location."""
        chosen = commands or (["dagster", "dev", "--port", str(self.port)],)
        with self.log.open("a") as log:
            for command in chosen:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command],
                        cwd=self.folder,
                        env=self.environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        self.wait(self._is_loaded, 600, "the code location")

    def _is_loaded(self) -> bool:
        try:
            return bool(self.instigators()["sensors"])
        except (httpx.HTTPError, KeyError, AssertionError):
            assert all(p.poll() is None for p in self.processes), self.log.read_text()
            return False

    def stop(self) -> None:
        """End what was started here, and nothing else."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.processes = []

    def wait(
        self,
        condition: Callable[[], Any],
        seconds: float,
        what: str,
        every: float = 0.5,
    ) -> Any:
        """Wait until a condition holds; return what it returned."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(every)
        tail = self.log.read_text()[-4000:] if self.log.exists() else ""
        raise AssertionError(f"{what} did not come in {seconds} s\n{tail}")

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL request as the UI does."""
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            timeout=60,
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(
        self, job: str, config: Mapping[str, Any] | None = None, tags: Any = ()
    ) -> str:
        """Launch a job as the launchpad does; return its run id."""
        params = {
            "selector": {**LOCATION, "pipelineName": job},
            "runConfigData": config or {},
            "mode": "default",
            "executionMetadata": {
                "tags": [{"key": k, "value": v} for k, v in dict(tags).items()]
            },
        }
        found = self.ask(LAUNCH, params=params)["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return found["run"]["runId"]

    def retry(self, run_id: str) -> str:
        """Press "Retry from failure"."""
        params = {"parentRunId": run_id, "strategy": "FROM_FAILURE"}
        found = self.ask(RETRY, params=params)["launchRunReexecution"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return found["run"]["runId"]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.ask(RUN, id=run_id)["runOrError"]

    def runs(self, job: str | None = None) -> list[dict[str, Any]]:
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [run for run in found if job in (None, run["jobName"])]

    def finish(self, run_id: str, seconds: float = 900) -> dict[str, Any]:
        """Wait for the end of a run."""

        def ended() -> dict[str, Any] | None:
            run = self.run(run_id)
            return run if run["status"] in FINISHED else None

        return self.wait(ended, seconds, f"the end of run {run_id}")

    def succeed(self, run_id: str, seconds: float = 900) -> dict[str, Any]:
        run = self.finish(run_id, seconds)
        assert run["status"] == "SUCCESS", (run, self.log.read_text()[-6000:])
        return run

    def metadata(self, *path: str) -> dict[str, Any]:
        """Return the metadata of an asset's newest materialization."""
        asset = self.ask(ASSET, key={"path": list(path)})["assetOrError"]
        newest = asset["assetMaterializations"][0]
        return {
            entry["label"]: next(
                (v for k, v in entry.items() if k != "label" and v is not None), None
            )
            for entry in newest["metadataEntries"]
        }

    def check(self, name: str, *path: str) -> dict[str, Any]:
        """Return the newest evaluation of an asset check."""
        found = self.ask(CHECK, key={"path": list(path)}, name=name)
        # a run under way has planned its checks already
        executions = found["assetCheckExecutions"]
        return next(e["evaluation"] for e in executions if e["evaluation"])

    def instigators(self) -> dict[str, Any]:
        return self.ask(INSTIGATORS, repository=LOCATION)["repositoryOrError"]

    def start_schedule(self, name: str) -> None:
        """Turn a schedule on, as its switch in the UI does."""
        selector = {**LOCATION, "scheduleName": name}
        found = self.ask(START_SCHEDULE, selector=selector)["startSchedule"]
        assert found["__typename"] == "ScheduleStateResult", found

    def schedule(self, name: str) -> dict[str, Any]:
        found = {s["name"]: s for s in self.instigators()["schedules"]}
        return found[name]["scheduleState"]

    def sensor(self, name: str) -> dict[str, Any]:
        found = {s["name"]: s["sensorState"] for s in self.instigators()["sensors"]}
        return found[name]

    def rows(self, sql: str) -> list[tuple]:
        """Query the warehouse read-only, waiting for a build to let go of it."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with duckdb.connect(str(self.warehouse), read_only=True) as con:
                    return con.execute(sql).fetchall()
            except duckdb.IOException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)


@contextmanager
def running(services: Services, *commands: list[str]) -> Iterator[Services]:
    """Start the services and end them whatever happens."""
    try:
        services.start(*commands)
        yield services
    finally:
        services.stop()
