"""What a landing table is made of: columns and their rules, as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["Column", "Table"]


@dataclass(frozen=True)
class Column:
    """One column of a landing table.

    Attributes
    ----------
    name : str
        As in the file's header.
    kind : str
        ``text``, ``decimal`` (18,6), ``precise`` (decimal with 12 places, for
        quotients), ``integer``, ``boolean``, ``date``, ``timestamp`` (UTC) or
        ``flag`` (whether the cell holds anything but 0; what it holds is not kept).
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
    only_when : str
        SQL over <column>_value: where it does not hold, the value is not kept.
    personal_when : str
        SQL over <column>_value: where it holds, the value is a user's id.
    stored_as : str
        Name after reading, where it is another than in the file.
    is_list : bool
        A personal value is a comma separated list of ids.
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
    only_when: str = ""
    personal_when: str = ""
    is_list: bool = False
    stored_as: str = ""

    @property
    def output(self) -> str:
        """The column's name after reading."""
        return self.stored_as or self.name

    @property
    def has_ids(self) -> bool:
        """Whether users' ids may stand in the column."""
        return self.is_personal or bool(self.personal_when)

    @property
    def sql_type(self) -> str:
        """The column's DuckDB type after reading."""
        return {
            "text": "varchar",
            "decimal": "decimal(18, 6)",
            "precise": "decimal(24, 12)",
            "integer": "bigint",
            "boolean": "boolean",
            "flag": "boolean",
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
