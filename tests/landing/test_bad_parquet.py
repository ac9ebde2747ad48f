"""Parquet files whose columns are typed otherwise, or whose bytes are lost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAY = date(2025, 2, 1)


def table(**columns) -> pa.Table:
    good = {
        "student_id": pa.array(["001"]),
        "app_id": pa.array(["alpha"]),
        "usage_date": pa.array([DAY]),
        "usage_minutes": pa.array([10.5]),
    }
    return pa.table(good | columns)


def stamp(*at, unit="us", tz=None):
    return pa.array([datetime(*at)], pa.timestamp(unit, tz))


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("student_id", pa.array([7], pa.int64()), "7"),
        ("student_id", pa.array([7.0]), "7"),
        ("student_id", pa.array(["é".encode()], pa.binary()), "é"),
        ("student_id", pa.array(["007"]).dictionary_encode(), "007"),
        ("student_id", pa.array([" 007\u2003"], pa.large_string()), "007"),
        ("usage_minutes", pa.array([10], pa.uint8()), Decimal(10)),
        ("usage_minutes", pa.array([0.1]), Decimal("0.1")),
        ("usage_minutes", pa.array([1e-7]), Decimal(0)),
        ("usage_minutes", pa.array(["1e3"]), Decimal(1000)),
        ("usage_minutes", pa.array([Decimal("1.23456789012345678901")]),
         Decimal("1.234568")),
        ("session_count", pa.array([3.0]), 3),
        ("session_count", pa.array([Decimal("3.00")]), 3),
        ("session_count", pa.array([None], pa.null()), 0),
        ("is_deleted", pa.array([True]), True),
        ("is_deleted", pa.array([0], pa.int8()), False),
        ("is_deleted", pa.array([1.0]), True),
        ("usage_date", stamp(2025, 2, 1), DAY),
        ("usage_date", stamp(2025, 2, 1, unit="ns"), DAY),
        ("usage_date", stamp(2025, 2, 1, unit="ms", tz="UTC"), DAY),
        ("usage_date", pa.array(["2025-02-01"]), DAY),
        ("updated_at", stamp(2025, 2, 1, 5), datetime(2025, 2, 1, 5)),
        ("updated_at", pa.array([datetime(2025, 2, 1, 5, tzinfo=UTC)],
                                pa.timestamp("us", "America/New_York")),
         datetime(2025, 2, 1, 5)),
        ("updated_at", pa.array([DAY]), datetime(2025, 2, 1)),
    ],
)  # fmt: skip
def test_another_type_with_the_same_meaning_is_read(landing, name, array, expected):
    landing.put("north/app_usage/1.parquet", table(**{name: array}))
    outcome = landing.read()
    assert outcome.rejects == []
    assert outcome.values(name) == [(expected,)]


@pytest.mark.parametrize(
    ("name", "array", "rule"),
    [
        ("student_id", pa.array([None], pa.string()), "missing_value"),
        ("student_id", pa.array(["  "]), "missing_value"),
        ("usage_minutes", pa.array([float("nan")]), "bad_number"),
        ("usage_minutes", pa.array([float("inf")]), "bad_number"),
        ("usage_minutes", pa.array([-1]), "out_of_range"),
        ("usage_minutes", pa.array([True]), "bad_number"),
        ("usage_minutes", pa.array([DAY]), "bad_number"),
        ("usage_minutes", pa.array([2**64 - 1], pa.uint64()), "out_of_range"),
        ("session_count", pa.array([3.5]), "bad_number"),
        ("usage_date", stamp(2025, 2, 1, 5), "bad_date"),
        ("usage_date", pa.array([20250201]), "bad_date"),
        ("usage_date", pa.array([3_000_000], pa.date32()), "bad_date"),
        ("usage_date", pa.array([-(2**31) + 99], pa.date32()), "bad_date"),
        ("updated_at", pa.array([-(2**63)], pa.timestamp("us")), "bad_date"),
        ("updated_at", pa.array([2**63 - 1], pa.timestamp("us")), "bad_date"),
        ("updated_at", pa.array([-(2**62)], pa.timestamp("us", "UTC")), "bad_date"),
        ("updated_at", pa.array([-(2**63) + 1], pa.timestamp("ns")), "bad_date"),
        ("updated_at", pa.array([1740000000]), "bad_date"),
        ("usage_date", stamp(2025, 5, 1), "future_date"),
    ],
)
def test_another_type_with_another_meaning_is_rejected(landing, name, array, rule):
    landing.put("north/app_usage/1.parquet", table(**{name: array}))
    outcome = landing.read()
    assert [reject[:3] for reject in outcome.rejects] == [(1, rule, name)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ""),
        (b"PAR1 no parquet", ""),
        (table(student_id=pa.array([["001"]])), "holds lists"),
        (table(student_id=pa.array([{"id": "001"}])), "holds lists"),
        (table().drop_columns("student_id"), "lacks student_id"),
        (table().append_column("student_id", pa.array(["002"])), "more than once"),
        (table().append_column("Student_ID", pa.array(["002"])), "more than once"),
        (table(student_id=pa.array([b"\xff"], pa.binary())), ""),
        # read as floats: 3 came as 50331648, and 0.00001 would pass for 167.77
        (table(usage_minutes=pa.array([Decimal(3)], pa.decimal256(50, 0))),
         "usage_minutes is a decimal of 50 digits"),
        # milliseconds that no microseconds can tell
        (table(updated_at=pa.array([2**62], pa.timestamp("ms"))), ""),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_reject(landing, content, problem):
    landing.put("north/app_usage/1.parquet", content)
    landing.put("north/app_usage/2.parquet", table())
    outcome = landing.read()
    assert [reject[:3] for reject in outcome.rejects] == [(0, "unreadable_file", None)]
    assert problem in outcome.rejects[0][3]
    assert [row["path"] for row in outcome.rows] == ["north/app_usage/2.parquet"]


def test_unknown_columns_may_be_of_any_type(landing):
    nested = pa.array([[{"student_id": 1}]])
    landing.put("north/app_usage/1.parquet", table(extra=nested, student_id_1=nested))
    outcome = landing.read()
    assert len(outcome.rows) == 1
    assert outcome.files[0].unknown_columns == ("extra", "student_id_1")


def test_a_file_cut_off_or_overwritten_in_the_middle(landing, tmp_path):
    many = pa.table(
        {name: column.take(pa.array([0] * 50_000)) for name, column in
         zip(table().column_names, table().columns, strict=True)}
    ).set_column(0, "student_id", pa.array([f"{n:032x}" for n in range(50_000)]))  # fmt: skip  # noqa: E501
    pq.write_table(
        many, tmp_path / "whole.parquet", compression="none", use_dictionary=False
    )
    whole = (tmp_path / "whole.parquet").read_bytes()
    landing.put("north/app_usage/1.parquet", whole[: len(whole) // 2])
    landing.put("north/app_usage/2.parquet", whole[:20] + b"\xff" * 200 + whole[220:])
    landing.put("north/app_usage/3.parquet", whole)
    outcome = landing.read()
    assert len(outcome.rows) == 50_000
    assert [reject[1] for reject in outcome.rejects] == ["unreadable_file"] * 2
    assert [row["record_number"] for row in outcome.rows] == [*range(1, 50_001)]
