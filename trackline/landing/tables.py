"""The landing tables and the rules of their columns: INTERFACE section 2 as data.

Everything that reads a landing file - ``trackline check``, the build on DuckDB, the
tasks on Spark - reads these declarations, so a rule stands once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class Column:
    """One column of a landing table.

    Attributes
    ----------
    name : str
        As in the file's header.
    kind : str
        ``text``, ``decimal`` (18,6), ``precise`` (decimal with 12 places, for
        quotients: their terms times 10^14 still fit into 38 digits), ``integer``,
        ``boolean``, ``date`` or ``timestamp`` (UTC).
    is_required : bool
        An empty cell is a reject.
    is_key : bool
        Part of the row's key: checked even when the row withdraws.
    default : str or None
        SQL for an empty cell.
    minimum, maximum : float or None
        Inclusive bounds.
    is_positive : bool
        Must be greater than zero.
    at_most : str or None
        Name of a column that this one may not exceed.
    choices : tuple of str
        The only values, when there are any.
    max_length : int or None
        In characters; such a text may not hold control characters either.
    is_personal : bool
        A user's id: pseudonymised and masked when a key is set.
    may_lie_ahead : bool
        A date that needs not be past (the end of an enrollment).
    """

    name: str
    kind: str
    is_required: bool = False
    is_key: bool = False
    default: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    is_positive: bool = False
    at_most: str | None = None
    choices: tuple[str, ...] = ()
    max_length: int | None = None
    is_personal: bool = False
    may_lie_ahead: bool = False

    @property
    def sql_type(self) -> str:
        """The column's DuckDB type after reading."""
        return {
            "text": "varchar",
            "decimal": "decimal(18, 6)",
            "precise": "decimal(24, 12)",
            "integer": "bigint",
            "boolean": "boolean",
            "date": "date",
            "timestamp": "timestamp",
        }[self.kind]


@dataclass(frozen=True)
class Table:
    """One landing table: a name and its columns, in the order of INTERFACE."""

    name: str
    columns: tuple[Column, ...]

    @property
    def is_versioned(self) -> bool:
        """Whether rows carry is_deleted and updated_at (else files are snapshots)."""
        return any(column.name == "is_deleted" for column in self.columns)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The columns without which no row of a file can be loaded."""
        return tuple(
            column.name
            for column in self.columns
            if column.is_required and (column.is_key or not self.is_versioned)
        )


def _id(name: str, *, is_personal: bool = False, is_required: bool = True) -> Column:
    return Column(
        name,
        "text",
        is_required=is_required,
        is_key=True,
        max_length=64,
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
                _id("event_id"),
                _STUDENT,
                _id("app_id"),
                Column("occurred_at", "timestamp", is_required=True, is_key=True),
                Column("duration_seconds", "decimal", minimum=0, maximum=86400),
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
    )
}
