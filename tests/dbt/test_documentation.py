"""What a reader of the documentation finds: every table, every column, its grain."""

from __future__ import annotations

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

CONTRACTS = ("fct_", "dim_", "rpt_", "dq_")


@pytest.fixture
def models(project) -> tuple[dict, dict]:
    """Return the models of the manifest and, by name, the columns that a run makes."""
    runner = dbtRunner()
    manifest = runner.invoke(["--quiet", "parse", "--no-partial-parse"]).result
    assert runner.invoke(["--quiet", "build"]).success
    # the staging database is in memory: it is looked at before dbt lets it go
    rows = (
        DuckDBConnectionManager._ENV.conn.cursor()
        .execute("select table_name, column_name from duckdb_columns()")
        .fetchall()
    )
    DuckDBConnectionManager.close_all_connections()
    columns: dict[str, set[str]] = {}
    for table, column in rows:
        columns.setdefault(table, set()).add(column)
    return {
        node.name: node
        for node in manifest.nodes.values()
        if node.resource_type in ("model", "seed")
    }, columns


def test_a_build_leaves_nothing_but_its_models(project):
    """A view that Python models only needed would be a broken table in every tool."""
    project.build()
    made = project.rows(
        "select table_name from duckdb_tables() union all"
        " select view_name from duckdb_views()"
        " where not internal and schema_name <> 'frames'"
    )
    manifest = dbtRunner().invoke(["--quiet", "parse"]).result
    nodes = {node.name for node in manifest.nodes.values()}
    assert len(made) > 50
    assert {name for (name,) in made} <= nodes


def test_every_model_and_column_is_documented(models):
    nodes, columns = models
    problems = []
    for name, node in nodes.items():
        if not node.description.startswith("One row per "):
            problems.append(f"{name}: the description does not begin with the grain")
        told = {column for column, its in node.columns.items() if its.description}
        problems += [f"{name}.{c} is not described" for c in columns[name] - told]
        problems += [f"{name}.{c} does not exist" for c in told - columns[name]]
        if name.startswith(CONTRACTS) and not node.config.contract.enforced:
            problems.append(f"{name} has no contract")
    assert not problems, "\n".join(sorted(problems))
