"""One district's rows, copied out of the warehouse into a file of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from trackline.publish.warehouse import identifier, literal, require_district_id
from trackline.settings import RefusedError

__all__ = [
    "OPTIONAL",
    "SCHEMA_VERSION",
    "TABLES",
    "Candidate",
    "copy_district",
    "copy_without_student",
]

SCHEMA_VERSION = 1
"""Grows when a published table loses or changes a column."""

TABLES: dict[str, tuple[str, str]] = {
    # name: (columns of INTERFACE section 4, the order of rows in the files).
    # The columns are listed so that one added to the warehouse stays private until
    # someone adds it here.
    "dim_students": (
        "district_id, student_id, school_id, grade_level, type, score, measured_on, "
        "performance, usage_minutes, app_count, first_used_on, last_used_on",
        "student_id",
    ),
    "rpt_most_used_by_student": (
        "district_id, student_id, basis, rank, app_id, usage_minutes, session_count, "
        "days_used, last_used_on",
        "student_id, basis, rank",
    ),
    "rpt_most_used_by_district": (
        "district_id, scope, type, performance, rank, app_id, usage_minutes, "
        "session_count, student_count",
        "scope, type, performance, rank",
    ),
    "rpt_recommendations": (
        "district_id, student_id, rank, app_id, score, is_new, reason, "
        "similar_students, effect, effect_low, effect_high, is_associated, model_id",
        "student_id, rank",
    ),
    "rpt_app_value": (
        "district_id, app_id, active_students, seats, licence_use, "
        "cost_per_active_student, goal_weeks_met_share",
        "app_id",
    ),
    "dq_files": (
        "district_id, table_name, path, size_bytes, modified_at, status, rows_read, "
        "rows_accepted, rows_rejected, loaded_at",
        "table_name, path, modified_at, size_bytes",
    ),
}

OPTIONAL = frozenset({"rpt_recommendations", "rpt_app_value"})
"""Reports a warehouse may not have yet; what was published once must not vanish."""

FRAME = "frame"
"""The published name of frames.district_<id>: the same in every district's file."""

# when a file was loaded is no data, nor that an attached site was asked again: a full
# refresh alone, or a night in which nothing changed there, publishes nothing
CONTENT = {
    "dq_files": "* exclude (loaded_at) from {} where not ends_with(path, ' (attached)')"
}

ALIAS = "trackline_publication"


@dataclass(frozen=True)
class Candidate:
    """A copy that may become a version.

    Attributes
    ----------
    row_counts : dict
        Rows by table.
    fingerprint : str
        Equal for equal rows, in whatever order they were written.
    rows_read, rows_rejected : int
        Of the files which the version before has not seen.
    """

    row_counts: dict[str, int]
    fingerprint: str
    rows_read: int
    rows_rejected: int


def copy_district(
    con: duckdb.DuckDBPyConnection,
    district_id: str,
    relations: set[tuple[str, str]],
    into: Path,
    published_files: Path | None,
) -> Candidate:
    """Write the district's rows to a new DuckDB file.

    When this raises, the file stays attached: close the connection.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The warehouse.
    district_id : str
        The only district whose rows are read: a bound parameter of every query.
    relations : set of (schema, name)
        What the warehouse has.
    into : Path
        The new file.
    published_files : Path or None
        dq_files.parquet of the current version.

    Raises
    ------
    RefusedError
        If the warehouse has no frame for the district, or one of other students.
    duckdb.Error
        If reading or writing fails.
    """
    view = f"district_{require_district_id(district_id)}"
    if ("frames", view) not in relations:
        raise RefusedError(f"the warehouse has no frames.{view}: build the frames")
    con.execute(f"attach {literal(into)} as {ALIAS} (read_write)")
    con.execute("begin")
    tables = [name for name in TABLES if ("main", name) in relations]
    for name in tables:
        columns, order = TABLES[name]
        con.execute(
            f"create table {ALIAS}.{name} as select {columns} from main.{name} "
            f"where district_id = $district_id order by {order}",
            {"district_id": district_id},
        )
    con.execute(
        f"create table {ALIAS}.{FRAME} as "
        f"select * from frames.{identifier(view)} order by student_id"
    )
    con.execute("commit")
    _require_own_students(con, view)
    tables.append(FRAME)
    row_counts, fingerprint = _fingerprint(con, tables)
    read, rejected = _unseen_rows(con, published_files)
    con.execute(f"checkpoint {ALIAS}")
    con.execute(f"detach {ALIAS}")
    return Candidate(row_counts, fingerprint, read, rejected)


def _require_own_students(con: duckdb.DuckDBPyConnection, view: str) -> None:
    """Refuse a frame of other students: it alone has no district_id to filter by."""
    [(strangers, frame_rows, students)] = con.execute(f"""
        select
            (select count(*) from {ALIAS}.{FRAME} as f
             anti join {ALIAS}.dim_students as s on f.student_id = s.student_id),
            (select count(*) from {ALIAS}.{FRAME}),
            (select count(*) from {ALIAS}.dim_students)
    """).fetchall()
    if strangers or frame_rows != students:
        raise RefusedError(
            f"frames.{view} has {frame_rows} rows, {strangers} of them no student of "
            f"dim_students, which has {students}: build both again"
        )


def _fingerprint(
    con: duckdb.DuckDBPyConnection, tables: list[str]
) -> tuple[dict[str, int], str]:
    """Count the rows and sum their hashes: a sum does not know an order.

    DuckDB's hash costs 0.06 s per million rows where md5 costs 2.2; it may differ
    after an upgrade of DuckDB, which then publishes every district once. The outer
    hash mixes: the inner one ends in an exclusive or, so that values swapped between
    rows could cancel out.
    """
    row_counts: dict[str, int] = {}
    content: list[object] = [SCHEMA_VERSION]
    for name in sorted(tables):
        rows_of = CONTENT.get(name, "* from {}").format(f"{ALIAS}.{name}")
        columns = con.execute(f"describe {ALIAS}.{name}").fetchall()
        [(rows, total)] = con.execute(
            "select count(*), coalesce(sum(hash(hash(t))::hugeint), 0) "
            f"from (select {rows_of}) as t"
        ).fetchall()
        [(row_counts[name],)] = con.execute(
            f"select count(*) from {ALIAS}.{name}"
        ).fetchall()
        content.append([name, [column[:2] for column in columns], rows, str(total)])
    return row_counts, hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _unseen_rows(
    con: duckdb.DuckDBPyConnection, published_files: Path | None
) -> tuple[int, int]:
    """Sum rows read and rejected of the files the current version does not list.

    Files, not times of loading: a full refresh loads every file anew without
    anything having been delivered.
    """
    columns = (
        "table_name, path, size_bytes, modified_at, status, rows_read, rows_accepted, "
        "rows_rejected"
    )
    seen = f"except all select {columns} from read_parquet($seen)"
    [(read, rejected)] = con.execute(
        "select coalesce(sum(rows_read), 0), coalesce(sum(rows_rejected), 0) from ("
        f"select {columns} from {ALIAS}.dq_files {seen if published_files else ''})",
        {"seen": str(published_files)} if published_files else {},
    ).fetchall()
    return int(read), int(rejected)


def copy_without_student(
    published: Path, student_id: str, into: Path
) -> tuple[dict[str, int], str]:
    """Write a published version's tables to a new file, without one student's rows.

    Returns
    -------
    row_counts, fingerprint
        As in Candidate.
    """
    with duckdb.connect() as con:
        con.execute(f"attach {literal(published)} as published (read_only)")
        con.execute(f"attach {literal(into)} as {ALIAS} (read_write)")
        tables = dict(
            con.execute(
                "select table_name, bool_or(column_name = 'student_id') "
                "from information_schema.columns where table_catalog = 'published' "
                "group by table_name order by table_name"
            ).fetchall()
        )
        for table, has_students in tables.items():
            con.execute(
                f"create table {ALIAS}.{table} as from published.{table} "
                + ("where student_id <> $student" if has_students else ""),
                {"student": student_id} if has_students else {},
            )
        row_counts, fingerprint = _fingerprint(con, list(tables))
        con.execute(f"checkpoint {ALIAS}")
    return row_counts, fingerprint
