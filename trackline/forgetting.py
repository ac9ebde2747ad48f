"""Forgetting a student: the list first, then the warehouse, then what is published.

Every step can be run again, and each leaves less of the student than before: a command
that was killed is simply given again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from trackline import config, privacy
from trackline.publish.forget import forget_published_student
from trackline.settings import ROOT, RefusedError, Settings

__all__ = ["forget"]


def forget(settings: Settings, district_id: str, student_id: str) -> str:
    """Remove a student from every table, file and model input.

    Parameters
    ----------
    settings : Settings
    district_id : str
        A configured district.
    student_id : str
        As the district delivers it.

    Returns
    -------
    str
        One sentence for the operator; it does not repeat the id.

    Raises
    ------
    RefusedError
        If the district is unknown, or something else holds the warehouse.
    """
    if config.load(settings.seeds).district(district_id) is None:
        raise RefusedError(f"no row of districts.csv has district_id {district_id!r}")
    privacy.forget(settings, district_id, student_id)
    stored_id = student_id
    if settings.pseudonym_key:
        stored_id = privacy.pseudonym(settings.pseudonym_key, district_id, student_id)
    if settings.warehouse.exists():
        _dbt("run-operation", "forget_student", district_id, stored_id)
        # sums that the student was part of are made again without
        _dbt("build", "", district_id, stored_id)
        compact(settings.warehouse)
    forget_published_student(settings, district_id, stored_id)
    return f"The student is forgotten in {district_id}: tables, files, model inputs."


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
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
        raise RefusedError(
            f"dbt {command} failed and the student may still stand in the warehouse:"
            f" {lines[-1].strip()}. Run the same command again."
        )


def compact(warehouse: Path) -> None:
    """Rewrite the warehouse without the blocks that deleted rows left behind.

    The old file stays locked against writers until the new one has its name.
    """
    new = warehouse.with_name(f".{warehouse.name}.compacting")
    new.unlink(missing_ok=True)
    with duckdb.connect() as con:
        # paths of our own settings; attach takes no parameters
        con.execute(f"attach '{_quoted(warehouse)}' as old (read_only)")
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
        os.replace(new, warehouse)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
