"""DuckDB's types as Spark and Arrow name them."""

from __future__ import annotations

import re

import pyarrow as pa

__all__ = ["arrow_type", "spark_type"]

_TYPES = {
    "varchar": ("string", pa.string()),
    "bigint": ("bigint", pa.int64()),
    "double": ("double", pa.float64()),
    "boolean": ("boolean", pa.bool_()),
    "date": ("date", pa.date32()),
    "timestamp": ("timestamp", pa.timestamp("us", "UTC")),
}


def spark_type(kind: str) -> str:
    """Return a DuckDB type's name in Spark."""
    return kind if kind.startswith("decimal") else _TYPES[kind][0]


def arrow_type(kind: str) -> pa.DataType:
    """Return a DuckDB type in Arrow, as Spark gives and takes it."""
    if match := re.fullmatch(r"decimal\((\d+), (\d+)\)", kind):
        return pa.decimal128(int(match[1]), int(match[2]))
    return _TYPES[kind][1]
