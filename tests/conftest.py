"""A Trackline of one's own for every test: folders, seeds, files, builds."""

from __future__ import annotations

import contextlib
import csv
import gzip
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = Path(
    os.environ.get("TRACKLINE_FIXTURES", ROOT.parent / "shared" / "fixtures")
)

APPS = ("alpha", "beta", "gamma")
DISTRICT = {
    "district_id": "north",
    "district_name": "North",
    "time_zone": "UTC",
    "school_year_start": "08-01",
    "as_of": "2025-03-01",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real services wait much: first, so that others run beside them."""
    items.sort(key=lambda item: item.get_closest_marker("service") is None)


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The shared real data."""
    if not FIXTURES.is_dir():
        pytest.skip(f"no fixtures at {FIXTURES} (set TRACKLINE_FIXTURES)")
    return FIXTURES


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate of a host, signed by itself, and its key, or skip the test."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    chain, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


def reach_here(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a host's name lead to this machine."""
    real = socket.getaddrinfo

    def found(host, *rest, **more):
        return real("127.0.0.1" if host == name else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)


class Project:
    """Landing folder, seeds and warehouse of one test, and the builds on them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.landing = root / "landing"
        self.seeds = root / "seeds"
        self.warehouse = root / "data" / "warehouse.duckdb"
        self.serve = root / "serve"
        self.models = root / "models"
        self.monkeypatch = monkeypatch
        for name in ("landing", "seeds", "warehouse", "serve", "models"):
            monkeypatch.setenv(f"TRACKLINE_{name.upper()}", str(getattr(self, name)))
        monkeypatch.setenv("DBT_TARGET_PATH", str(root.parent / "target"))
        monkeypatch.setenv("DBT_LOG_PATH", str(root.parent / "logs"))
        monkeypatch.delenv("TRACKLINE_AS_OF", raising=False)
        monkeypatch.delenv("TRACKLINE_PSEUDONYM_KEY", raising=False)
        monkeypatch.chdir(ROOT / "dbt_project")
        self.landing.mkdir(parents=True)
        shutil.copytree(ROOT / "seeds", self.seeds)
        self.configure([DISTRICT])

    def configure(
        self,
        districts: Iterable[Mapping[str, object]],
        apps: Mapping[str, Iterable[str]] | None = None,
        bands: Iterable[tuple[str, str, str]] | None = None,
    ) -> None:
        """Write districts.csv, district_apps.csv and, if given, score_bands.csv."""
        rows = [{**DISTRICT, **district} for district in districts]
        self.write_seed("districts", rows)
        self.write_seed(
            "district_apps",
            [
                {"district_id": row["district_id"], "app_id": app, "app_name": app}
                for row in rows
                for app in (apps or {}).get(row["district_id"], APPS)
            ],
        )
        for name in ("role_assignments",):
            self.write_seed(name, [])
        self.write_seed(
            "score_bands",
            [
                {"district_id": d, "performance": p, "lower_bound": b}
                for d, p, b in bands
                or (
                    ("*", "excellent", "88"),
                    ("*", "satisfactory", "69"),
                    ("*", "needs improvement", "55"),
                    ("*", "unsatisfactory", "0"),
                )
            ],
        )

    def write_seed(self, name: str, rows: list[Mapping[str, object]]) -> None:
        """Replace a seed's rows; columns that a row does not name are empty."""
        path = self.seeds / f"{name}.csv"
        header = (ROOT / "seeds" / f"{name}.csv").read_text().splitlines()[0].split(",")
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, header, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def deliver(
        self,
        path: str,
        content: str | bytes | list[Mapping[str, object]],
        modified_at: str = "2025-03-01T04:00:00",
    ) -> Path:
        """Put a file into the landing folder, at a time."""
        target = self.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            names = list(dict.fromkeys(name for row in content for name in row))
            if path.endswith(".parquet"):
                self._parquet(target, names, content)
                content = target.read_bytes()
            else:
                lines = [names, *([row.get(n, "") for n in names] for row in content)]
                from io import StringIO

                text = StringIO(newline="")
                csv.writer(text).writerows(lines)
                content = text.getvalue()
        if isinstance(content, str):
            content = content.encode()
        if path.endswith(".gz") and not content.startswith(b"\x1f\x8b"):
            content = gzip.compress(content, mtime=0)
        target.write_bytes(content)
        at = datetime.fromisoformat(modified_at).replace(tzinfo=UTC).timestamp()
        os.utime(target, (at, at))
        return target

    @staticmethod
    def _parquet(target: Path, names: list[str], rows: list[Mapping]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {
            name: pa.array([_text(row.get(name)) for row in rows], pa.string())
            for name in names
        }
        pq.write_table(pa.table(columns), target)

    def dbt(self, *arguments: str) -> DbtOutcome:
        """Run dbt in this process."""
        return DbtOutcome(self.invoke(*arguments))

    def invoke(self, *arguments: str):
        """Run dbt in this process; return what dbt returns."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        result = dbtRunner().invoke(["--quiet", "--no-write-json", *arguments])
        # dbt keeps the file open until its process ends
        DuckDBConnectionManager.close_all_connections()
        return result

    def build(self, *arguments: str) -> DbtOutcome:
        """Build, and expect it to succeed."""
        outcome = self.dbt("build", *arguments)
        assert outcome.success, outcome.messages
        return outcome

    def pull(self, *arguments: str) -> DbtOutcome:
        """Build the daily pull alone, without data tests: a third of a build's time."""
        return self.build(
            "--select", "resource_type:seed", "tag:daily_pull",
            "--exclude-resource-type", "test", "unit_test", *arguments,
        )  # fmt: skip

    def rows(self, sql: str, parameters: list | None = None) -> list[tuple]:
        """Query the warehouse, read-only."""
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            return con.execute(sql, parameters or []).fetchall()

    def table(self, name: str, columns: str = "*") -> list[tuple]:
        """Return a table's rows in a total order."""
        return self.rows(f"select {columns} from {name} order by all")


class DbtOutcome:
    """What a dbt invocation came to."""

    def __init__(self, result) -> None:
        self.success = result.success
        nodes = getattr(result.result, "results", None) or []
        self.node_count = len(nodes)
        self.messages = [
            f"{getattr(node.node, 'name', '')}: {node.message}"
            for node in nodes
            if node.status not in ("success", "pass", "skipped", "warn")
        ]
        if result.exception:
            self.messages.append(str(result.exception))

    def __str__(self) -> str:
        return "\n".join(self.messages)


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


@pytest.fixture(scope="session")
def project_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for every test's project: dbt parses anew where a path changes."""
    return tmp_path_factory.mktemp("trackline") / "project"


@pytest.fixture
def project(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A district 'north' with three apps, on 2025-03-01."""
    shutil.rmtree(project_root, ignore_errors=True)
    return Project(project_root, monkeypatch)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a local S3 server, a process of its own; its URL."""
    pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
        )
        try:
            end = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < end, "the S3 server did not start"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make an empty bucket, which any AWS program in this environment reaches."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    name = f"trackline-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"
