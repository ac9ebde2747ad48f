"""Landing files on a cluster: the one reader, file by file, inside Spark tasks.

The driver lists the new files and reads their headers; a task opens one file after the
other with a DuckDB of its own and gives its rows back. Every machine has to see the
landing folder under the same path, and to have Trackline installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession

from trackline import landing, privacy
from trackline.cluster.types import arrow_type, as_dataframe, spark_type
from trackline.landing.columns import Column
from trackline.landing.stage import LEDGER, STATES, landing_files
from trackline.landing.tables import TABLES
from trackline.settings import RefusedError, Settings

__all__ = ["new_files", "stage", "stage_moodle"]

HEAD = (
    ("district_id", "varchar"),
    ("path", "varchar"),
    ("file_modified_at", "timestamp"),
    ("record_number", "bigint"),
)
TAIL = (
    ("rule", "varchar"),
    ("column_name", "varchar"),
    ("value", "varchar"),
    ("is_loaded", "boolean"),
)
BATCH_ROWS = 1 << 16


def new_files(session: SparkSession, districts: DataFrame) -> DataFrame:
    """List the landing files that no build has read yet: `landing.files_to_read`."""
    zones = {
        row["district_id"]: row["time_zone"]
        for row in districts.select("district_id", "time_zone").collect()
    }
    files = landing.files_to_read(
        Settings.from_environment(), zones, _already_read(session)
    )
    return as_dataframe(session, files)


def _already_read(session: SparkSession) -> list[tuple]:
    """Return the ledger as `landing.already_read` does; nothing when a table is lost.

    A build that was killed while it put a table into its place has left the table
    without its name, or the days of use with the mark of a merge.
    """
    present = {row["tableName"] for row in session.sql("show tables in main").collect()}
    if not present.issuperset((LEDGER, *STATES, "dq_rejected_rows")):
        return []
    properties = session.sql("show tblproperties main.int_usage_versions").collect()
    if any(row["key"] == "trackline.merging" for row in properties):
        return []
    # as a number: the client would move a timestamp to its own time zone
    rows = session.sql(
        "select path, size_bytes, unix_micros(modified_at) as modified_at, status"
        f" from main.{LEDGER}"
    ).collect()
    return [
        (
            row["path"],
            row["size_bytes"],
            datetime(1970, 1, 1) + timedelta(microseconds=row["modified_at"]),
            row["status"],
        )
        for row in rows
    ]


def stage(session: SparkSession, table_name: str, files: DataFrame) -> DataFrame:
    """Read the new files of one landing table: the rows of `landing.stage`."""
    return _staged(session, [table_name], files, TABLES[table_name].columns)


def stage_moodle(
    session: SparkSession, table_names: Sequence[str], files: DataFrame
) -> DataFrame:
    """Read the new files of Moodle tables: the rows of `landing.stage_moodle`."""
    columns = {
        column.output: column for name in table_names for column in TABLES[name].columns
    }
    return _staged(
        session, table_names, files, [*columns.values()], (("table_name", "varchar"),)
    )


def _staged(
    session: SparkSession,
    table_names: Sequence[str],
    files: DataFrame,
    columns: Sequence[Column],
    also: tuple[tuple[str, str], ...] = (),
) -> DataFrame:
    types = (
        *HEAD[:1], *also, *HEAD[1:],
        *((column.output, column.sql_type) for column in columns),
        *TAIL,
    )  # fmt: skip
    schema = ", ".join(f"`{name}` {spark_type(kind)}" for name, kind in types)
    wanted = set(table_names)
    rows = [row for row in files.collect() if row["table_name"] in wanted]
    if not rows:
        return session.createDataFrame([], schema)
    settings = Settings.from_environment()
    read = _Reader(
        pa.schema([(name, arrow_type(kind)) for name, kind in types]),
        # the secret stays in the environment of each process
        replace(settings, pseudonym_key=None),
        privacy.key_fingerprint(settings.pseudonym_key),
    )
    # the greatest first: the last task to end is a short one
    rows.sort(key=lambda row: (-row["size_bytes"], row["path"]))
    listed = session.createDataFrame(rows, files.schema)
    return listed.repartition(len(rows), "path").mapInArrow(read, schema)


def _own_key(fingerprint: str) -> str | None:
    """Return this machine's pseudonym key, which no plan tells."""
    key = Settings.from_environment().pseudonym_key
    if privacy.key_fingerprint(key) != fingerprint:
        raise RefusedError("TRACKLINE_PSEUDONYM_KEY is not the same on every machine")
    return key


class _Reader:
    """What a task does with the rows of its files."""

    def __init__(self, schema: pa.Schema, settings: Settings, fingerprint: str) -> None:
        self.schema, self.settings, self.fingerprint = schema, settings, fingerprint

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        settings = replace(self.settings, pseudonym_key=_own_key(self.fingerprint))
        for batch in batches:
            for row in batch.to_pylist():
                yield from self._rows(row, settings)

    def _rows(self, row: dict, settings: Settings) -> Iterator[pa.RecordBatch]:
        import duckdb

        row["modified_at"] = row["modified_at"].replace(tzinfo=None)
        with duckdb.connect() as con:
            con.execute("set threads = 1")
            rows = landing.read_files(
                con, row["table_name"], landing_files([row]), settings
            )
            for batch in rows.to_arrow_reader(BATCH_ROWS):
                yield self._shaped(batch, row["table_name"])

    def _shaped(self, batch: pa.RecordBatch, table_name: str) -> pa.RecordBatch:
        own = {**dict(zip(batch.schema.names, batch.columns, strict=True))}
        own["table_name"] = pa.array([table_name] * batch.num_rows, pa.string())
        arrays = [
            own[field.name].cast(field.type)
            if field.name in own
            else pa.nulls(batch.num_rows, field.type)
            for field in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
