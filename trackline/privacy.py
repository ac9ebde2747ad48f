"""Pseudonyms, their vault, and students who are to be forgotten.

Both files lie beside the warehouse, readable by its owner only, and are never
published: ``.vault.sqlite`` leads from a pseudonym back to an id, ``.forgotten.csv``
holds salted digests of the students whose rows no build loads again.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from trackline.alone import alone
from trackline.landing.columns import Table
from trackline.settings import RefusedError, Settings

__all__ = [
    "forget",
    "forgotten_path",
    "key_fingerprint",
    "not_forgotten",
    "pseudonym",
    "vault_path",
    "without_forgotten",
]


def vault_path(settings: Settings) -> Path:
    """Return the path of the vault: one per warehouse."""
    return settings.warehouse.with_suffix(".vault.sqlite")


def forgotten_path(settings: Settings) -> Path:
    """Return the path of the list of forgotten students: one per warehouse."""
    return settings.warehouse.with_suffix(".forgotten.csv")


def pseudonym(key: str, district_id: str, user_id: str) -> str:
    """Return the pseudonym of INTERFACE section 7: 32 hex digits."""
    message = f"{district_id}\0{user_id}".encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()[:32]


def key_fingerprint(key: str | None) -> str:
    """Return what may be stored of a key: enough to know it again; '' without one."""
    if not key:
        return ""
    return hmac.new(key.encode(), b"trackline key", hashlib.sha256).hexdigest()[:16]


def _digest(salt: str, district_id: str, user_id: str) -> str:
    return hashlib.sha256(f"{salt}\0{district_id}\0{user_id}".encode()).hexdigest()


def _forgotten(settings: Settings) -> list[dict[str, str]]:
    path = forgotten_path(settings)
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def forget(settings: Settings, district_id: str, user_id: str) -> None:
    """Add a student to the forgotten and take the id out of the vault.

    The list is replaced whole, so that a killed process leaves the old one.

    Raises
    ------
    RefusedError
        If another process is writing the vault: the student may stand in it yet.
    """
    path = forgotten_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.parent):
        rows = _forgotten(settings)
        salt = rows[0]["salt"] if rows else secrets.token_hex(16)
        digest = _digest(salt, district_id, user_id)
        if all(digest != row["digest"] for row in rows):
            row = {"district_id": district_id, "salt": salt, "digest": digest}
            _replace(path, [*rows, row])
    # however it went before: a run that died in between has left the vault as it was
    try:
        _remove_from_vault(settings, district_id, user_id)
    except sqlite3.OperationalError as error:
        raise RefusedError(
            f"the vault {vault_path(settings)} may still name the student: {error}."
            " Run the same command again."
        ) from None


def _replace(path: Path, rows: list[dict[str, str]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["district_id", "salt", "digest"])
        writer.writeheader()
        writer.writerows(rows)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def not_forgotten(
    settings: Settings, users: Iterable[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return which of the users, pairs of district and raw id, are not forgotten."""
    forgotten = _forgotten(settings)
    salt = forgotten[0]["salt"] if forgotten else ""
    digests = {(row["district_id"], row["digest"]) for row in forgotten}
    return {
        (district_id, user_id)
        for district_id, user_id in users
        if (district_id, _digest(salt, district_id, user_id)) not in digests
    }


def without_forgotten(
    con: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    table: Table,
    settings: Settings,
) -> duckdb.DuckDBPyRelation:
    """Mark the rows to load; teach the vault the ids; leave the raw id behind.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``relation`` lives.
    relation : duckdb.DuckDBPyRelation
        As ``landing.read`` returns it.
    table : Table
    settings : Settings

    Returns
    -------
    duckdb.DuckDBPyRelation
        The same rows without ``personal_id``, with ``is_loaded``; the values of a
        forgotten student's rows are null, and so is a rejected value that is the id;
        a list of ids is without the forgotten.
    """
    forgotten = _forgotten(settings)
    view = "landing_rows_" + table.name.replace("/", "_")
    has_ids = any(column.has_ids for column in table.columns)
    is_list = any(column.is_list for column in table.columns)
    con.register(view, relation)
    if settings.pseudonym_key and has_ids and not is_list:
        _fill_vault(con, view, table, settings)
    if not forgotten or not has_ids:
        return con.sql(
            f"select * exclude (personal_id), rule is null as is_loaded from {view}"
        )
    name = view.replace("rows", "forgotten", 1)
    con.register(f"{name}_arrow", pa.Table.from_pylist(forgotten))
    con.execute(f"create or replace temp table {name} as from {name}_arrow")
    con.unregister(f"{name}_arrow")
    con.execute("set variable trackline_salt = $salt", {"salt": forgotten[0]["salt"]})
    digests = [row["digest"] for row in forgotten]
    con.execute("set variable trackline_forgotten = $digests", {"digests": digests})
    salted = "getvariable('trackline_salt') || chr(0) || rows.district_id || chr(0)"
    kept = "case when forgotten.digest is null then rows"
    # who is in a list does not own the row
    owner = "null::varchar" if is_list else "rows.personal_id"
    is_forgotten = (
        f"sha256({salted} || string_split(rows.personal_id, ',')[place])"
        " in getvariable('trackline_forgotten')"
    )
    values = ", ".join(
        f"array_to_string(list_filter(string_split(rows.{c.output}, ','),"
        f" lambda id, place: ({is_forgotten}) is not true), ',') as {c.output}"
        if c.is_list
        else f"{kept}.{c.output} end as {c.output}"
        for c in table.columns
    )
    return con.sql(f"""
select
    rows.district_id, path, file_modified_at, record_number, {values},
    rule, column_name, case when told.digest is null then value end as value,
    rule is null and forgotten.digest is null as is_loaded,
from {view} as rows
left join {name} as forgotten
    on rows.district_id = forgotten.district_id
    and sha256({salted} || {owner}) = forgotten.digest
left join {name} as told
    on rows.district_id = told.district_id
    and sha256({salted} || trim(rows.value)) = told.digest""")


def _fill_vault(
    con: duckdb.DuckDBPyConnection,
    view: str,
    table: Table,
    settings: Settings,
) -> None:
    column = next(c.output for c in table.columns if c.has_ids)
    rows = con.execute(
        f"select distinct district_id, {column}, personal_id from {view}"
        " where rule is null and personal_id is not null"
    ).fetchall()
    known = not_forgotten(settings, ((row[0], row[2]) for row in rows))
    with closing(_vault(settings)) as vault, vault:
        vault.executemany(
            "insert or ignore into vault values (?, ?, ?)",
            [row for row in rows if (row[0], row[2]) in known],
        )


def _vault(settings: Settings) -> sqlite3.Connection:
    path = vault_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    vault = sqlite3.connect(path)
    vault.execute(
        "create table if not exists vault (district_id text, pseudonym text, user_id"
        " text, primary key (district_id, pseudonym)) without rowid"
    )
    return vault


def _remove_from_vault(settings: Settings, district_id: str, user_id: str) -> None:
    if not vault_path(settings).exists():
        return
    with closing(_vault(settings)) as vault, vault:
        vault.execute("pragma secure_delete = on")
        vault.execute(
            "delete from vault where district_id = ? and user_id = ?",
            [district_id, user_id],
        )
