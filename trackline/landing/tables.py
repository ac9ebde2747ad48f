"""The landing tables and the rules of their columns: INTERFACE section 2 as data.

Everything that reads a landing file - ``trackline check``, the build on DuckDB, the
tasks on Spark - reads these declarations, so a rule stands once.
"""

from __future__ import annotations

from trackline.landing.columns import Column, Table
from trackline.landing.moodle import MOODLE_TABLES

__all__ = ["RULES", "TABLES", "Column", "Table"]

RULES = (
    "unreadable_file",
    "wrong_district",
    "missing_value",
    "bad_text",
    "bad_number",
    "bad_date",
    "bad_value",
    "out_of_range",
    "future_date",
)
"""The rules in the order in which a row is held against them."""


def _id(
    name: str,
    *,
    is_personal: bool = False,
    is_required: bool = True,
    max_length: int = 64,
) -> Column:
    return Column(
        name,
        "text",
        is_required=is_required,
        is_key=True,
        max_length=max_length,
        is_personal=is_personal,
    )


_VERSION = (
    Column("is_deleted", "boolean", default="false"),
    Column("updated_at", "timestamp", is_key=True, default="modified_at"),
)
_STUDENT = _id("student_id", is_personal=True)

TABLES = {
    table.name: table
    for table in (
        Table(
            "app_usage",
            (
                _STUDENT,
                _id("app_id"),
                Column("usage_date", "date", is_required=True, is_key=True),
                Column(
                    "usage_minutes",
                    "decimal",
                    is_required=True,
                    minimum=0,
                    maximum=1440,
                ),
                # a larger one is no count, and enough of them would overflow their sum
                Column(
                    "session_count",
                    "integer",
                    default="0",
                    minimum=0,
                    maximum=2**31 - 1,
                ),
                *_VERSION,
            ),
        ),
        Table(
            "scores",
            (
                _STUDENT,
                Column(
                    "measure",
                    "text",
                    is_required=True,
                    is_key=True,
                    choices=("assessment", "forecast", "average"),
                ),
                Column(
                    "score", "precise", is_required=True, minimum=0, at_most="max_score"
                ),
                Column("max_score", "precise", default="100", is_positive=True),
                Column("measured_on", "date", is_required=True, is_key=True),
                Column("app_id", "text", is_key=True, default="''"),
                Column("assessment_id", "text", is_key=True, default="''"),
                Column("subject", "text", is_key=True, default="'all'"),
                *_VERSION,
            ),
        ),
        Table(
            "events",
            (
                # xAPI and Caliper name their events by addresses
                _id("event_id", max_length=1024),
                _STUDENT,
                _id("app_id"),
                Column("occurred_at", "timestamp", is_required=True, is_key=True),
                Column("duration_seconds", "decimal", minimum=0, maximum=86400),
            ),
        ),
        Table(
            "insight_actions",
            (
                _id("user_id", is_personal=True),
                _id("insight_id"),
                Column(
                    "action",
                    "text",
                    is_required=True,
                    is_key=True,
                    choices=(
                        "fixed",
                        "notapplicable",
                        "incorrectlyflagged",
                        "useful",
                        "notuseful",
                    ),
                ),
                Column("acted_at", "timestamp", is_required=True),
            ),
        ),
        Table(
            "students",
            (
                _STUDENT,
                Column("school_id", "text"),
                Column("grade_level", "text"),
            ),
        ),
        Table(
            "enrollments",
            (
                _id("user_id", is_personal=True),
                Column(
                    "role",
                    "text",
                    is_required=True,
                    choices=("student", "teacher", "manager"),
                ),
                Column("class_id", "text"),
                Column("school_id", "text"),
                Column("begin_date", "date", may_lie_ahead=True),
                Column("end_date", "date", may_lie_ahead=True),
            ),
        ),
        *MOODLE_TABLES,
    )
}
"""Every table by its name; a Moodle table's is moodle/<its name>."""
