"""What dbt-duckdb asks of Trackline when it opens the warehouse."""

from __future__ import annotations

import gc
import json
import os
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from trackline import privacy
from trackline.settings import RefusedError, Settings

__all__ = ["Plugin"]


def configuration_problems() -> str:
    """Return the problems of the seeds, one sentence a line; '' when there are none."""
    from trackline import config

    try:
        problems = config.check(Settings.from_environment().seeds)
    except RefusedError as error:
        return str(error)
    return "\n".join(
        f"{problem.file}, row {problem.row}: {problem.rule}: {problem.message}"
        for problem in problems
    )


def key_fingerprint() -> str:
    """Return what may be told of the pseudonym key in the environment."""
    return privacy.key_fingerprint(Settings.from_environment().pseudonym_key)


def role_assignments() -> str:
    """Return role_assignments.csv as the warehouse may know it: a list in JSON.

    One object per row and district, without `*` and without users who are forgotten:
    what stands for a user's id is another one in every district.
    """
    from trackline.config.reading import read_seed
    from trackline.config.rows import District, RoleAssignment

    settings = Settings.from_environment()
    key = settings.pseudonym_key
    # two of the seeds, which the build has checked: all would take as long again
    districts, assignments = (
        read_seed(settings.seeds, row_type).rows
        for row_type in (District, RoleAssignment)
    )
    given = [
        (district.district_id, row)
        for row in assignments
        for district in districts
        if row.district_id in ("*", district.district_id)
    ]
    known = privacy.not_forgotten(
        settings, [(site, row.user_id) for site, row in given]
    )
    return json.dumps(
        [
            {
                "district_id": site,
                "user_id": privacy.pseudonym(key, site, row.user_id)
                if key
                else row.user_id,
                "role": row.role,
                "context_id": row.context_id and str(row.context_id),
            }
            for site, row in given
            if (site, row.user_id) in known
        ]
    )


def forgotten_district() -> str:
    """Return the district of the student whom `trackline forget` removes."""
    return os.environ.get("TRACKLINE_FORGET_DISTRICT", "")


def forgotten_student() -> str:
    """Return the id, as stored, of the student whom `trackline forget` removes."""
    return os.environ.get("TRACKLINE_FORGET_STUDENT", "")


FUNCTIONS = (
    configuration_problems,
    key_fingerprint,
    role_assignments,
    forgotten_district,
    forgotten_student,
)
EXTENSIONS = {"postgres": "postgres_scanner", "mysql": "mysql_scanner"}


def _load_extension(conn: duckdb.DuckDBPyConnection, name: str) -> None:
    try:
        from duckdb_extensions import import_extension
    except ImportError:  # DuckDB fetches it, where it may
        conn.execute(f"install {name}")
    else:
        import_extension(name, con=conn)
    conn.execute(f"load {name}")


def _refuse_taken_warehouse(path: str) -> None:
    """Say in one sentence what dbt would say with a traceback for every query."""
    try:
        duckdb.connect(path).close()
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise DbtRuntimeError(
                f"the warehouse {path} is in use by another process, and one alone may"
                f" write: wait for it and build again ({str(error).splitlines()[0]})"
            ) from None
        raise
    except duckdb.ConnectionException:
        # this process has it open: no other one holds it
        return


class Plugin(BasePlugin):
    """Gives SQL the answers that only Python has."""

    def initialize(self, config: dict[str, Any]) -> None:
        """Make the warehouse's folder: DuckDB makes the file, not its parents."""
        # what dbt has parsed stays to the end: no collection has to look at it again,
        # which costs as much as a tenth of a Python model
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        path = self.creds.path if self.creds else ""
        if path and path != ":memory:":
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            _refuse_taken_warehouse(path)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions of the hooks; load what attached sites need."""
        if Settings.from_environment().pseudonym_key:
            # raw ids pass through memory on their way in, and memory spills to disk.
            # The name is DuckDB's warning that its built-in cipher draws the key from
            # ordinary random numbers: a spill file has none that outlives the build
            conn.execute("set force_mbedtls_unsafe = true")
            conn.execute("set temp_file_encryption = true")
        kinds = {
            getattr(site, "type", "")
            for site in (self.creds and self.creds.attach) or []
        }
        for kind in kinds & set(EXTENSIONS):
            _load_extension(conn, EXTENSIONS[kind])
        for function in FUNCTIONS:
            conn.create_function(
                f"trackline_{function.__name__}", function, [], "VARCHAR"
            )
