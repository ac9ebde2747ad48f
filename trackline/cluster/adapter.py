"""What dbt-spark's session method lacks: Spark Connect, parameters, Python models.

dbt-spark knows Python models on Databricks alone, formats parameters into SQL text, and
starts a Spark of its own where no remote is set. Each is replaced by its own hook:
`session.Connection` and `SparkAdapter.python_submission_helpers`.
"""

from __future__ import annotations

import os
import re
import warnings
from functools import partial
from typing import Any

from dbt.adapters.base import PythonJobHelper
from dbt.adapters.spark import SparkAdapter
from dbt.adapters.spark import session as dbt_session
from dbt_common.exceptions import DbtRuntimeError

with warnings.catch_warnings():
    # of its pandas functions, which are not called here
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

from trackline.cluster.dialect import for_spark
from trackline.cluster.types import as_dataframe

__all__ = ["connect", "register"]

METHOD = "trackline"
"""The submission_method of dbt_project.yml: where it is unknown, dbt refuses."""

ANSWER = "trackline_answer_"
"""A view that the hooks ask what only Python knows."""

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # a wrong cast fails, as it does on DuckDB, and does not turn into null
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    # only the days that are written are replaced
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    # a metastore is asked for a range of days: a list of 200 is more than Derby parses
    "spark.sql.hive.metastorePartitionPruningInSetThreshold": "10",
}

_prepared: set[str] = set()


def connect(remote: str = "") -> SparkSession:
    """Return the session of the Connect server; the same one within a process.

    Raises
    ------
    DbtRuntimeError
        Without a remote, or where none answers: no Spark of our own is started.
    """
    remote = remote or os.environ.get("TRACKLINE_SPARK_REMOTE", "")
    if not remote.startswith("sc://"):
        raise DbtRuntimeError(
            "the spark target needs TRACKLINE_SPARK_REMOTE, the address of a Spark"
            " Connect server as sc://host:15002; `make spark-up` starts one here"
        )
    session = SparkSession.builder.remote(remote).getOrCreate()
    if session.session_id not in _prepared:
        for name, value in SETTINGS.items():
            session.conf.set(name, value)
        _prepared.add(session.session_id)
        from trackline.cluster import models  # noqa: F401  the Python models' Spark half
    return session


class Cursor(dbt_session.Cursor):
    """A cursor of dbt's kind on a Connect session."""

    def execute(self, sql: str, *parameters: Any) -> None:
        """Run a statement; `?` stands for a parameter."""
        session = connect(self.server_side_parameters.get("spark.remote", ""))
        if ANSWER in sql:
            _answer(session, sql)
        try:
            self._df = session.sql(for_spark(sql), args=[*parameters] or None)
        except PySparkException as error:
            raise DbtRuntimeError(_in_short(error)) from error


class Connection(dbt_session.Connection):
    """What dbt-spark's session method opens."""

    def cursor(self) -> Cursor:
        """Return a new cursor."""
        return Cursor(server_side_parameters=self.server_side_parameters)


def _in_short(error: PySparkException) -> str:
    """Return what went wrong without the plan and the stack of the server."""
    return re.split(r";\n'|\n\nJVM stacktrace", str(error))[0][:2000]


def _fix_binding(value: Any) -> Any:
    return value


def _answer(session: SparkSession, sql: str) -> None:
    from trackline import dbt_plugin

    # a view for each: other threads ask on the same session
    for function in dbt_plugin.FUNCTIONS:
        view = ANSWER + function.__name__
        if view in sql:
            answer = session.createDataFrame([(function(),)], "answer string")
            answer.createOrReplaceTempView(view)


class PythonModel(PythonJobHelper):
    """Runs a Python model in dbt's process, on dbt's own session."""

    def __init__(self, parsed_model: dict, credentials: Any) -> None:
        self.name = parsed_model["alias"]
        self.remote = credentials.server_side_parameters.get("spark.remote", "")

    def submit(self, compiled_code: str) -> None:
        """Run the model's code; whatever it raises fails the model."""
        session = connect(self.remote)
        names = {
            "__name__": "trackline_model",
            "spark": session,
            "as_dataframe": partial(as_dataframe, session),
        }
        exec(compile(compiled_code, f"{self.name}.py", "exec"), names)


def register() -> None:
    """Put the parts in their places; a second time changes nothing."""
    dbt_session.Connection = Connection
    dbt_session.SessionConnectionWrapper._fix_binding = staticmethod(_fix_binding)
    SparkAdapter.python_submission_helpers = property(
        lambda self: {METHOD: PythonModel}
    )
    SparkAdapter.default_python_submission_method = property(lambda self: METHOD)
