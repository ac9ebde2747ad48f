"""Forgetting a student: the list first, then the warehouse, then what is published.

Every step can be run again, and each leaves less of the student than before: a command
that was killed is simply given again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from trackline import config, privacy
from trackline.insights.cleaning import forget_user
from trackline.insights.notify import forget_told
from trackline.publish.forget import forget_published_student
from trackline.recommender import store
from trackline.settings import ROOT, RefusedError, Settings

__all__ = ["forget"]


def forget(settings: Settings, district_id: str, student_id: str) -> bool:
    """Remove a student from every table, file and model input.

    Parameters
    ----------
    settings : Settings
    district_id : str
        A configured district, or one that was: its facts and files may be there yet.
    student_id : str
        As the district delivers it; blanks around it do not count, as in files.

    Returns
    -------
    bool
        Whether anything of the student was there: an id may be mistyped.

    Raises
    ------
    RefusedError
        If nobody knows the district, or something else holds the warehouse.
    """
    student_id = student_id.strip()
    if not student_id:
        raise RefusedError("a student id is needed")
    if not _is_known(settings, district_id):
        raise RefusedError(f"no row of districts.csv has district_id {district_id!r}")
    privacy.forget(settings, district_id, student_id)
    stored_id = student_id
    if settings.pseudonym_key:
        stored_id = privacy.pseudonym(settings.pseudonym_key, district_id, student_id)
    # the build below learns again, without the student, what had learned from them
    forget_user(settings, district_id, stored_id)
    is_found = False
    is_built = settings.warehouse.exists()
    if is_built:
        is_found = _holds(settings.warehouse, district_id, stored_id)
        _dbt("run-operation", "forget_student", district_id, stored_id)
    # whatever becomes of the build, nobody reads of the student any more
    is_published = forget_published_student(settings, district_id, stored_id)
    # not before: where the warehouse is held by another, its tables name these models
    store.remove(settings.models, district_id)
    if is_built:
        # sums that the student was part of are made again without
        _dbt("build", "", district_id, stored_id)
        compact(settings.warehouse)
    # only now that no table names a recipient from whom it would be written again
    forget_told(settings, district_id, stored_id)
    return is_found or is_published


def _is_known(settings: Settings, district_id: str) -> bool:
    """Return whether the district is configured, or was when it was last built."""
    if config.load(settings.seeds).district(district_id) is not None:
        return True
    if not settings.warehouse.exists():
        return False
    with _reading(settings.warehouse) as con:
        return bool(
            con.execute(
                "select 1 from dq_files where district_id = ? and status = 'loaded'"
                " limit 1",
                [district_id],
            ).fetchall()
        )


def _holds(warehouse: Path, district_id: str, stored_id: str) -> bool:
    """Return whether a table of the warehouse has a row of the student."""
    with _reading(warehouse) as con:
        # the tables that the macro forget_student deletes from
        tables = con.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
            " inner join duckdb_tables() using (database_name, schema_name, table_name)"
            " where column_name in ('student_id', 'user_id', 'userid')"
        ).fetchall()
        return any(
            con.execute(
                f'select 1 from "{schema}"."{table}"'
                f" where district_id = ? and {column}::varchar = ? limit 1",
                [district_id, stored_id],
            ).fetchall()
            for schema, table, column in tables
        )


@contextmanager
def _reading(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with duckdb.connect(str(warehouse), read_only=True) as con:
            yield con
    except duckdb.IOException as error:
        raise RefusedError(
            f"the warehouse {warehouse} cannot be read, another process may hold it:"
            f" {str(error).splitlines()[0]}. Run the same command again."
        ) from None


def _dbt(command: str, operation: str, district_id: str, stored_id: str) -> None:
    # by the environment: arguments and SQL text would put the id into dbt's logs
    environment = os.environ | {
        "TRACKLINE_FORGET_DISTRICT": district_id,
        "TRACKLINE_FORGET_STUDENT": stored_id,
    }
    arguments = [command, *([operation] if operation else [])]
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", *arguments],
        cwd=ROOT / "dbt_project",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # dbt tells its errors on stdout; what Python warns of on stderr is no reason
        told = done.stdout.strip() or done.stderr.strip() or "no message"
        lines = told.splitlines()
        raise RefusedError(
            f"dbt {command} failed and the student may still stand in the warehouse:"
            f" {lines[-1].strip()}. Run the same command again."
        )


def compact(warehouse: Path) -> None:
    """Rewrite the warehouse without the blocks that deleted rows left behind.

    The old file stays locked until the new one has its name.

    Raises
    ------
    RefusedError
        If it cannot: the warehouse is as it was.
    """
    # of a link what it leads to is replaced
    warehouse = warehouse.resolve()
    new = warehouse.with_name(f".{warehouse.name}.compacting")
    try:
        _rewrite(warehouse, new)
    except (duckdb.Error, OSError) as error:
        new.unlink(missing_ok=True)
        raise RefusedError(
            f"the warehouse {warehouse} could not be written anew, and what was deleted"
            f" may stand in its free blocks: {str(error).splitlines()[0]}."
            " Run the same command again."
        ) from None


def _rewrite(warehouse: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    with duckdb.connect() as con:
        # paths of our own settings; attach takes no parameters
        con.execute(f"attach '{_quoted(warehouse)}' as old")
        # a log left beside it by a killed build would be played back onto the new one
        con.execute("checkpoint old")
        comments = con.execute(
            "select schema_name, table_name, comment from duckdb_tables()"
            " where database_name = 'old' and comment is not null"
        ).fetchall()
        con.execute(f"attach '{_quoted(new)}' as new")
        con.execute("copy from database old to new")
        for schema, table, comment in comments:
            text = comment.replace("'", "''")
            con.execute(f"comment on table new.{schema}.{table} is '{text}'")
        con.execute("detach new")
        shutil.copymode(warehouse, new)
        os.replace(new, warehouse)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
