"""SQL that turns the cells of a landing file into typed values and one verdict.

The text comes from the declarations in ``tables`` and from the layout of a file:
positions and types, never names or values that a district sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from trackline.landing.columns import Column, Table

__all__ = ["typed_rows_sql"]

# what str.strip() strips
BLANKS = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680" + (
    "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
WHOLE = r"[+-]?[0-9]+(\.0*)?"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = DATE + (
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?"
    r" ?([zZ]|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?"
)
PLAIN = r"[!-~]([ -~]*[!-~])?"
CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"
VALUE_CHARACTERS = 256

_WHOLE = {
    f"{sign}{name}"
    for sign in ("", "U")
    for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
}
_TIMES = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
# outside these years neither ISO dates nor Python go, and arithmetic on dates fails
_YEARS = "date '0001-01-01' and date '9999-12-31'"
_YEARS_US = "-62135596800000000 and 253402300799999999"


# what a cell of a kind looks like as it should; blanks around it are trimmed first
_PATTERNS = {
    "decimal": NUMBER,
    "precise": NUMBER,
    "integer": WHOLE,
    "date": DATE,
    "timestamp": TIME,
}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(physical: str, raw: str) -> str:
    """Return SQL for a cell as text."""
    if physical == "VARCHAR":
        return raw
    if physical in ("DOUBLE", "FLOAT"):
        # ids that passed through a float column come back as the integers they were
        return (
            f"case when isfinite({raw}) and {raw} = trunc({raw}) and abs({raw}) < 1e15"
            f" then ({raw}::bigint)::varchar else {raw}::varchar end"
        )
    if physical in (*_TIMES, _ZONED):
        return (
            f"case when {raw} is not null then coalesce("
            f"strftime({_utc(physical, raw)}, '%Y-%m-%d %H:%M:%S.%f'),"
            " 'outside the years 1 to 9999') end"
        )
    return f"{raw}::varchar"


def _cell(name: str) -> str:
    """Return SQL for the text of a cell: trimmed, null when empty."""
    # trim() with a set costs 0.9 us a cell, the test that it is not needed 0.07
    return (
        f"case when {name}_is_plain then {name}_text"
        f" else nullif(trim({name}_text, {_quoted(BLANKS)}), '') end"
    )


def _is_plain(column: Column | None, physical: str, text: str) -> str:
    """Return SQL that holds for a cell that looks as it should, without blanks."""
    if column and _is_typed(column.kind, physical):
        return f"{text} is not null"
    pattern = _PATTERNS.get(column.kind, PLAIN) if column else PLAIN
    return f"coalesce(regexp_full_match({text}, '{pattern}'), false)"


def _is_typed(kind: str, physical: str) -> bool:
    """Return whether a column's values can be taken as they stand in the file."""
    if kind in ("decimal", "precise"):
        return physical in _WHOLE or physical.startswith("DECIMAL")
    if kind == "integer":
        return physical in _WHOLE or physical == "BOOLEAN"
    return (kind, physical) in (("boolean", "BOOLEAN"), ("date", "DATE"))


def _utc(physical: str, raw: str) -> str:
    utc = f"{raw} at time zone 'UTC'" if physical == _ZONED else f"{raw}::timestamp"
    return f"(case when epoch_us({raw}) between {_YEARS_US} then {utc} end)"


def _value(column: Column, physical: str) -> str:
    """Return SQL for the typed value of a cell; null when it cannot be had."""
    name, kind, sql_type = column.name, column.kind, column.sql_type
    raw, cell = f"{name}_raw", f"{name}_cell"
    if kind == "text":
        return cell
    if kind == "flag":
        return f"{cell} is not null and {cell} not in ('0', 'false')"
    if kind == "date" and physical == "DATE":
        return f"case when {raw} between {_YEARS} then {raw} end"
    if _is_typed(kind, physical):
        return f"try_cast({raw} as {sql_type})"
    if kind == "boolean":
        return (
            f"case when lower({cell}) in ('true', 't', 'yes', 'y', '1') then true"
            f" when lower({cell}) in ('false', 'f', 'no', 'n', '0') then false end"
        )
    if kind in ("date", "timestamp") and physical in (*_TIMES, _ZONED):
        utc = _utc(physical, raw)
        if kind == "timestamp":
            return utc
        return f"case when {utc} = {utc}::date then {utc}::date end"
    matches = f"{name}_is_plain or regexp_full_match({cell}, '{_PATTERNS[kind]}')"
    value = f"try_cast({cell} as {sql_type})"
    if kind in ("date", "timestamp"):
        matches = f"({matches}) and {cell} >= '0001'"
    if kind == "timestamp":
        value = f"coalesce({', '.join(_zoned_times(cell))}) at time zone 'UTC'"
    return f"case when {matches} then {value} end"


def _zoned_times(cell: str) -> tuple[str, str]:
    """Return SQL of a time as it stands and, for what DuckDB does not know, in full.

    Its cast wants seconds before an offset, a capital Z and no blank: coalesce spells
    out only the cells that need it.
    """
    full = f"upper({cell})"
    for found, instead in (
        (r" ?(Z|[+-][0-9:]+)$", r"\1"),
        (f"^({DATE})[T ]([0-9]{{2}}:[0-9]{{2}})(Z|[+-].*)$", r"\1 \2:00\3"),
        (f"^({DATE})(Z|[+-].*)$", r"\1 00:00:00\2"),
    ):
        full = f"regexp_replace({full}, '{found}', '{instead}')"
    return f"try_cast({cell} as timestamptz)", f"try_cast({full} as timestamptz)"


def _breaks(column: Column) -> dict[str, str]:
    """Return, per rule, SQL that holds when the column's cell breaks it."""
    name = column.name
    cell, value = f"{name}_cell", f"{name}_value"
    broken = {}
    if column.is_required:
        broken["missing_value"] = f"{cell} is null"
    if column.max_length:
        broken["bad_text"] = (
            f"length({cell}) > {column.max_length}"
            f" or regexp_matches({cell}, '{CONTROL}')"
        )
    unread = f"{cell} is not null and {value} is null"
    if column.kind in ("decimal", "precise", "integer"):
        # digits that no number of ours can hold are out of range, not bad
        pattern = _PATTERNS[column.kind]
        too_large = f"coalesce(regexp_full_match({cell}, '{pattern}'), false)"
        number = f"try_cast({cell} as double)"
        broken["bad_number"] = f"{unread} and not {too_large}"
        ranges = [f"{unread} and {too_large}"]
        if column.minimum is not None:
            ranges.append(f"{number} < {column.minimum}")
        if column.maximum is not None:
            ranges.append(f"{number} > {column.maximum}")
        if column.is_positive:
            ranges.append(f"{value} <= 0")
        if column.at_most:
            limit = f"{column.at_most}"
            ranges.append(
                f"{number} > coalesce(try_cast({limit}_cell as double), {limit}_value)"
            )
        broken["out_of_range"] = " or ".join(ranges)
    elif column.kind in ("date", "timestamp"):
        broken["bad_date"] = unread
        if not column.may_lie_ahead:
            latest = "latest_date" if column.kind == "date" else "latest_time"
            broken["future_date"] = f"{value} > {latest}"
    elif column.kind == "boolean":
        broken["bad_value"] = unread
    if column.choices:
        allowed = ", ".join(_quoted(choice) for choice in column.choices)
        broken["bad_value"] = f"{cell} not in ({allowed})"
    return broken


def _is_sound(column: Column) -> str:
    """Return SQL that holds for most cells that break no rule, and for no other.

    It is what makes a row cheap: the rules in full are asked of the rest alone.
    Numbers are compared after rounding, which keeps their order but may make two
    equal: hence no bound but 0 itself is allowed here.
    """
    name = column.name
    cell, value = f"{name}_cell", f"{name}_value"
    if column.kind == "text":
        sound = f"{name}_is_plain"
        if column.max_length:
            sound += f" and length({cell}) <= {column.max_length}"
        if column.choices:
            allowed = ", ".join(_quoted(choice) for choice in column.choices)
            sound += f" and {cell} in ({allowed})"
    else:
        sound = f"{value} is not null"
    if column.kind in ("decimal", "precise", "integer"):
        if column.minimum == 0:
            sound += f" and not starts_with({cell}, '-')"
        elif column.minimum is not None:
            sound += f" and {value} > {column.minimum}"
        if column.maximum is not None:
            sound += f" and {value} < {column.maximum}"
        if column.is_positive:
            sound += f" and {value} > 0"
        if column.at_most:
            sound += f" and {value} < {column.at_most}_value"
    elif column.kind in ("date", "timestamp") and not column.may_lie_ahead:
        latest = "latest_date" if column.kind == "date" else "latest_time"
        sound += f" and {value} <= {latest}"
    if column.is_required:
        return f"coalesce({cell} is not null and {sound}, false)"
    return f"case when {cell} is null then true else coalesce({sound}, false) end"


def _verdict(table: Table, has_district: bool) -> str:
    """Return SQL for {rule, column_name, value} of the first broken rule, or null."""
    sound = ["problem is null", *map(_is_sound, table.columns)]
    if has_district:
        sound.append("coalesce(district_id_cell = district_id, false)")
    cases = [f"when {' and '.join(sound)} then null"]

    def reject(rule: str, condition: str, column_name: str, cell: str) -> None:
        cases.append(
            f"when {condition} then {{'rule': '{rule}', 'column_name': {column_name},"
            f" 'value': left({cell}, {VALUE_CHARACTERS})}}"
        )

    if has_district:
        reject(
            "wrong_district",
            "district_id_cell is distinct from district_id",
            "'district_id'",
            "district_id_cell",
        )
    for rule in (
        "missing_value",
        "bad_text",
        "bad_number",
        "bad_date",
        "bad_value",
        "out_of_range",
        "future_date",
    ):
        if rule == "missing_value":
            reject(rule, "problem = 'short'", "null::varchar", "null::varchar")
        if rule == "bad_text":
            reject(
                rule,
                "problem in ('long', 'encoding')",
                "null::varchar",
                "null::varchar",
            )
        for column in table.columns:
            condition = _breaks(column).get(rule)
            if condition is None:
                continue
            checked = f"({condition})"
            if table.is_versioned and not column.is_key and column.name != "is_deleted":
                checked += " and not is_withdrawn"
            reject(rule, checked, f"'{column.name}'", f"{column.name}_cell")
    return "case " + " ".join(cases) + " end"


def _pseudonym(cell: str) -> str:
    # HMAC-SHA256 by its definition, so that the key never enters SQL text
    return (
        "left(sha256(getvariable('trackline_outer_pad') || unhex(sha256("
        "getvariable('trackline_inner_pad')"
        f" || encode(district_id || chr(0) || {cell})))), 32)"
    )


def _pseudonyms(column: Column, value: str) -> str:
    """Return SQL for a column whose users' ids, if it has any, are replaced."""
    if column.is_list:
        ids = (
            f"list_transform(string_split({value}, ','), lambda id: {_pseudonym('id')})"
        )
        replaced = f"array_to_string({ids}, ',')"
    else:
        replaced = _pseudonym(value)
    if column.personal_when:
        return f"case when {column.personal_when} then {replaced} else {value} end"
    return replaced


def _masked(text: str) -> str:
    # the shape stays for whoever looks for the mistake; letters, digits, emoji go
    digits = f"regexp_replace({text}, '\\pN', '9', 'g')"
    return f"regexp_replace({digits}, '[^9\\x00-@\\[-`{{-~]', 'x', 'g')"


def _personal_id(table: Table) -> str:
    """Return SQL for the one user whose row it is, or the users whom its list names."""
    for column in table.columns:
        if column.has_ids:
            condition = column.personal_when or column.only_when or "true"
            return f"case when {condition} then {column.name}_value end"
    return "null::varchar"


def typed_rows_sql(
    table: Table,
    source: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    is_pseudonymous: bool,
) -> str:
    """Return SQL for one row per record: typed values, or the rule that it breaks.

    Parameters
    ----------
    table : Table
    source : str
        SQL relation with record_number, problem, the file's columns, and of the file
        district_id, path, file_modified_at, latest_date and latest_time.
    columns : mapping of str to (str, str)
        For each known column that the file has: SQL of the raw cell, physical type.
        The key ``district_id`` is the file's own column of that name.
    is_pseudonymous : bool
        Replace users' ids (the pads stand in session variables) and mask rejects.

    Returns
    -------
    str
        Columns: district_id, path, file_modified_at, record_number, the table's
        columns, personal_id (the raw user id, or list of them, of a good row), rule,
        column_name, value.
    """
    raws, cells, values = [], [], []

    def add_cell(name: str, raw: str, physical: str, column: Column | None) -> None:
        text = _text(physical, raw)
        raws.append(
            f"{raw} as {name}_raw, {text} as {name}_text,"
            f" {_is_plain(column, physical, text)} as {name}_is_plain"
        )
        cells.append(f"{_cell(name)} as {name}_cell")

    for column in table.columns:
        raw, physical = columns.get(column.name, ("null::varchar", "VARCHAR"))
        cell = f"{column.name}_cell"
        add_cell(column.name, raw, physical, column)
        value = _value(column, physical)
        if column.default is not None:
            default = column.default.replace("modified_at", "file_modified_at")
            value = f"case when {cell} is null then {default} else {value} end"
        values.append(f"{value} as {column.name}_value")
    if "district_id" in columns:
        add_cell("district_id", *columns["district_id"], None)
    withdrawn = "coalesce(is_deleted_value, false)" if table.is_versioned else "false"
    outputs = []
    for column in table.columns:
        value = f"{column.name}_value"
        kept = "verdict is null"
        if column.only_when:
            kept += f" and {column.only_when}"
        if column.has_ids and is_pseudonymous:
            value = _pseudonyms(column, value)
        outputs.append(f"case when {kept} then {value} end as {column.output}")
    shown = "verdict.value"
    head = "district_id, path, file_modified_at, record_number"
    return f"""
select
    {head},
    {", ".join(outputs)},
    case when verdict is null then {_personal_id(table)} end as personal_id,
    verdict.rule as rule,
    verdict.column_name as column_name,
    {_masked(shown) if is_pseudonymous else shown} as value,
from (
    select *, {_verdict(table, "district_id" in columns)} as verdict,
    from (
        select *, {withdrawn} as is_withdrawn,
        from (
            select *, {", ".join(values)},
            from (
                select *, {", ".join(cells)},
                from (
                    select
                        {head}, problem, latest_date, latest_time,
                        {", ".join(raws)},
                    from {source}
                )
            )
        )
    )
)"""
