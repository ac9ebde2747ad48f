"""DuckDB's types as Spark and Arrow name them."""

from __future__ import annotations

import re

import pyarrow as pa
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession

__all__ = ["arrow_type", "as_dataframe", "spark_schema", "spark_type"]

_TYPES = {
    "varchar": ("string", pa.string()),
    "bigint": ("bigint", pa.int64()),
    "double": ("double", pa.float64()),
    "boolean": ("boolean", pa.bool_()),
    "date": ("date", pa.date32()),
    "timestamp": ("timestamp", pa.timestamp("us", "UTC")),
    "blob": ("binary", pa.binary()),
}


def spark_type(kind: str) -> str:
    """Return a DuckDB type's name in Spark."""
    return kind if kind.startswith("decimal") else _TYPES[kind][0]


def arrow_type(kind: str) -> pa.DataType:
    """Return a DuckDB type in Arrow, as Spark gives and takes it."""
    if match := re.fullmatch(r"decimal\((\d+), (\d+)\)", kind):
        return pa.decimal128(int(match[1]), int(match[2]))
    return _TYPES[kind][1]


def spark_schema(schema: pa.Schema) -> str:
    """Return an Arrow schema as Spark takes it."""
    names = {arrow: spark for spark, arrow in _TYPES.values()}
    return ", ".join(f"`{field.name}` {names[field.type]}" for field in schema)


def as_dataframe(session: SparkSession, rows: DataFrame | pa.Table) -> DataFrame:
    """Return what a Python model gives as Spark takes it; times are in UTC."""
    if isinstance(rows, DataFrame):
        return rows
    utc = arrow_type("timestamp")
    schema = pa.schema(
        field.with_type(utc) if pa.types.is_timestamp(field.type) else field
        for field in rows.schema
    )
    # Spark takes no schema from a table without rows
    if not len(rows):
        return session.createDataFrame([], spark_schema(schema))
    return session.createDataFrame(rows.cast(schema))
