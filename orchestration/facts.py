"""What a build left in the warehouse, as metadata of the assets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import fsspec
from dagster import MetadataValue, TableColumn, TableRecord, TableSchema
from dagster import TableMetadataValue as Table

from trackline.publish.warehouse import connect, identifier
from trackline.settings import RefusedError, Settings

__all__ = ["WarehouseFacts", "newest_models"]

PREVIEW_ROWS = 10

# the tables of INTERFACE section 4: rows of these are worth a count per district
COUNTED_BY_DISTRICT = ("fct_", "dim_", "rpt_", "dq_", "int_usage_versions")


@dataclass
class WarehouseFacts:
    """Metadata by dbt node.

    A preview never shows a table with students: Dagster's own database is not where
    `trackline forget` looks.
    """

    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(
        cls, settings: Settings, manifest: Mapping[str, Any], built: Iterable[str]
    ) -> WarehouseFacts:
        """Look once at the tables of the nodes that were built.

        On another engine, and where the file cannot be opened, nothing is known: what
        was built is told without it.
        """
        if manifest["metadata"]["adapter_type"] != "duckdb":
            return cls()
        try:
            con = connect(settings.warehouse)
        except RefusedError:
            return cls()
        nodes = {name: manifest["nodes"].get(name, {}) for name in built}
        try:
            return cls(nodes, _tables(con, nodes, settings))
        finally:
            con.close()

    def of(self, unique_id: str) -> dict[str, Any]:
        """Return the metadata of one node; empty for what lives for one build only."""
        node = self.nodes.get(unique_id, {})
        return dict(self.tables.get(node.get("alias", ""), {}))


def _tables(
    con: duckdb.DuckDBPyConnection,
    nodes: Mapping[str, Mapping[str, Any]],
    settings: Settings,
) -> dict[str, dict[str, Any]]:
    described = {node.get("alias"): node.get("columns", {}) for node in nodes.values()}
    columns: dict[str, list[tuple[str, str]]] = {}
    kinds: dict[str, str] = {}
    for table, kind, name, data_type in con.execute(
        "select table_name, table_type, column_name, data_type"
        " from information_schema.columns"
        " inner join information_schema.tables"
        " using (table_catalog, table_schema, table_name)"
        " where table_catalog = current_database() and table_schema = 'main'"
        " order by table_name, ordinal_position"
    ).fetchall():
        columns.setdefault(table, []).append((name, data_type))
        kinds[table] = kind
    return {
        table: _facts(
            con, table, kinds[table], found, described.get(table, {}), settings
        )
        for table, found in columns.items()
        if table in described
    }


def _facts(
    con: duckdb.DuckDBPyConnection,
    table: str,
    kind: str,
    columns: list[tuple[str, str]],
    described: Mapping[str, Mapping[str, Any]],
    settings: Settings,
) -> dict[str, Any]:
    names = {name for name, _ in columns}
    facts: dict[str, Any] = {
        "dagster/column_schema": TableSchema(
            [
                TableColumn(
                    name, data_type, described.get(name, {}).get("description") or None
                )
                for name, data_type in columns
            ]
        )
    }
    if "district_id" in names and table.startswith(COUNTED_BY_DISTRICT):
        rows = con.execute(
            f"select district_id, count(*) from main.{identifier(table)}"
            " group by district_id order by district_id"
        ).fetchall()
        facts["dagster/row_count"] = sum(count for _, count in rows)
        facts["districts"] = len(rows)
        facts["rows by district"] = _table(("district_id", "rows"), rows)
    elif kind == "BASE TABLE":
        counted = con.execute(f"select count(*) from main.{identifier(table)}")
        facts["dagster/row_count"] = counted.fetchall()[0][0]
    if table == "dq_files":
        facts |= _rejects(con)
    if {"district_id", "model_id"} <= names:
        facts["models"] = _models(con, table, settings)
    if table.startswith("rpt_") and not names & {"student_id", "user_id", "sample_id"}:
        facts["preview"] = _preview(con, table)
    return facts


def _rejects(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Tell what the newest load of each district read and rejected."""
    rows = con.execute(
        """
        with
            loads as (
                select district_id, max(loaded_at) as loaded_at
                from main.dq_files
                group by district_id
            )

        select
            files.district_id,
            strftime(loads.loaded_at, '%Y-%m-%d %H:%M'),
            count(*),
            cast(sum(files.rows_read) as bigint),
            cast(sum(files.rows_rejected) as bigint),
        from main.dq_files as files
        inner join loads
            on files.district_id = loads.district_id
            and files.loaded_at = loads.loaded_at
        group by files.district_id, loads.loaded_at
        order by files.district_id
        """
    ).fetchall()
    names = ("district_id", "loaded_at", "files", "rows_read", "rows_rejected")
    return {
        "rows read": sum(row[3] for row in rows),
        "rows rejected": sum(row[4] for row in rows),
        "newest load by district": _table(names, rows),
    }


def _models(con: duckdb.DuckDBPyConnection, table: str, settings: Settings) -> Table:
    """Tell which models a table's rows are from, and how well they did."""
    scores = {m["model_id"]: m["validation"] for m in newest_models(settings.models)}
    rows = con.execute(
        f"select distinct district_id, model_id from main.{identifier(table)}"
        " where model_id is not null order by all"
    ).fetchall()
    return _table(
        ("district_id", "model_id", "validation"),
        [(*row, scores.get(row[1], "")) for row in rows],
    )


def _preview(con: duckdb.DuckDBPyConnection, table: str) -> MetadataValue:
    rows = con.execute(
        f"select * from main.{identifier(table)} order by all limit {PREVIEW_ROWS}"
    )
    names = [column[0] for column in rows.description]
    return _table(names, rows.fetchall())


def _table(names: tuple[str, ...] | list[str], rows: list[tuple]) -> Table:
    """Return rows as a table; every cell as text, since Dagster knows no decimals."""
    return MetadataValue.table(
        records=[
            TableRecord(
                {
                    name: value if isinstance(value, int) else str(value or "")
                    for name, value in zip(names, row, strict=True)
                }
            )
            for row in rows
        ],
        schema=TableSchema([TableColumn(name) for name in names]),
    )


def newest_models(models: str) -> list[dict[str, Any]]:
    """Return the recommender's newest model of each district, with its validation.

    Parameters
    ----------
    models : str
        TRACKLINE_MODELS; a path or an fsspec URL.

    Returns
    -------
    list of dict
        district_id, model_id and validation (one text, NDCG@10 by task), by district.
        Empty where nothing was trained yet; without those whose files are damaged.
    """
    try:
        files, root = fsspec.core.url_to_fs(f"{models}/recommender")
        indexes = sorted(files.glob(f"{root}/*/versions.json"))
    except (OSError, ValueError, ImportError):
        return []
    newest = []
    for index in indexes:
        folder = index.rsplit("/", 1)[0]
        try:
            known = json.loads(files.cat_file(index))
            if not known:
                continue
            described = json.loads(files.cat_file(f"{folder}/{known[-1]}/model.json"))
            told = validation(described)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # what cannot be read says nothing: the next build stores a model anew
            continue
        newest.append(
            {
                "district_id": folder.rsplit("/", 1)[-1],
                "model_id": known[-1],
                "validation": told,
            }
        )
    return newest


def validation(described: Mapping[str, Any]) -> str:
    """Return a model's NDCG@10 on use that was held out, by task."""
    scores = []
    for task, scorer in sorted(described.get("scorers", {}).items()):
        bands = scorer.get("ndcg_by_band", {}).values()
        students = sum(band["students"] for band in bands)
        if students:
            mean = sum(band["students"] * band["ndcg_10"] for band in bands) / students
            scores.append(f"{task} {mean:.4f}")
    return ", ".join(scores)
