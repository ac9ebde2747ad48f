"""Files of one test's landing folder, read as a build reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trackline.landing import LandingFile, discover, inspect, read
from trackline.landing.tables import TABLES

MODIFIED_AT = datetime(2025, 3, 1, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """What reading came to: the rows to load, and (record, rule, column, value)."""

    rows: list[dict]
    rejects: list[tuple]
    files: list[LandingFile]

    def values(self, *names: str) -> list[tuple]:
        return [tuple(row[name] for name in names) for row in self.rows]


class Landing:
    """A landing folder with one configured district, 'north'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(
        self,
        path: str | bytes,
        content: bytes | str | pa.Table,
        modified_at: datetime = MODIFIED_AT,
    ) -> Path:
        target = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), _bytes(path))))
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, target)
        else:
            target.write_bytes(_bytes(content))
        seconds = modified_at.timestamp()
        os.utime(target, (seconds, seconds))
        return target

    def read(
        self,
        table: str = "app_usage",
        districts: Iterable[str] = ("north",),
        time_zone: str = "UTC",
        key: str | None = None,
    ) -> Outcome:
        with duckdb.connect() as con:
            found = discover(self.folder, dict.fromkeys(districts, time_zone))
            files = [f for f in inspect(found, con) if f.table_name == table]
            names = [column.name for column in TABLES[table].columns]
            relation = read(con, TABLES[table], files, key)
            columns = ["path", "record_number", "rule", "column_name", "value", *names]
            rows = relation.select(*columns).order("path, record_number").fetchall()
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        return Outcome(
            [record for record in records if record["rule"] is None],
            [
                tuple(record[name] for name in columns[1:5])
                for record in records
                if record["rule"] is not None
            ],
            files,
        )


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


@pytest.fixture
def read_usage(landing: Landing) -> Callable[[bytes | str], Outcome]:
    """Read one CSV file of app_usage."""

    def read_one(content: bytes | str) -> Outcome:
        landing.put("north/app_usage/1.csv", content)
        return landing.read()

    return read_one
