"""CSV files are opened in spreadsheets; Parquet and DuckDB files are not."""

from __future__ import annotations

import csv

import duckdb
import pytest
from publish_warehouse import HOSTILE_APPS, read_json

from trackline.publish import publish
from trackline.publish.exports import escape_formula, export_tables

CELLS = ["=1+1", "+1", "-1", "@a", "\ta", "\ra", "a=b", " =a", "", "'=a", "a;=b", '=",']
ESCAPED = ["'=1+1", "'+1", "'-1", "'@a", "'\ta", "'\ra", *CELLS[6:11], "'=\","]


def test_every_formula_start_gets_an_apostrophe():
    assert [escape_formula(cell) for cell in CELLS] == ESCAPED


@pytest.fixture
def exported(tmp_path):
    """Export a table with each cell, a null, negative numbers and columns like them."""
    database = tmp_path / "t.duckdb"
    with duckdb.connect(str(database)) as con:
        con.execute('create table t (cell varchar, "=n" int, "-1" varchar, "a;=b" int)')
        con.executemany("insert into t values (?, -5, null, -6)", [[c] for c in CELLS])
    export_tables(database, tmp_path)
    return tmp_path


def test_csv_is_escaped_and_parquet_is_not(exported):
    with open(exported / "t.csv", newline="", encoding="utf-8") as file:
        header, *records = list(csv.reader(file))
    assert header == ["cell", "'=n", "'-1", "a;=b"]
    assert [record[0] for record in records] == ESCAPED
    assert {record[1] for record in records} == {"-5"}  # a number is no formula
    parquet = duckdb.read_parquet(str(exported / "t.parquet"))
    assert parquet.columns == ["cell", "=n", "-1", "a;=b"]
    assert [row[0] for row in parquet.fetchall()] == CELLS


def test_every_cell_is_quoted_and_null_differs_from_empty(exported):
    text = (exported / "t.csv").read_bytes().decode()
    assert text.startswith('"cell","\'=n","\'-1","a;=b"\n"\'=1+1","-5",,"-6"\n')
    assert '\n"","-5",,"-6"\n' in text


def test_a_districts_hostile_names_reach_its_csv_harmless(settings, warehouse):
    publish(settings)
    folder = settings.serve / "aaa"
    version = read_json(folder / "current.json")["version"]
    for file in (folder / version).glob("*.csv"):
        with open(file, newline="", encoding="utf-8") as lines:
            for record in csv.reader(lines):
                for cell in record:
                    assert not cell.startswith(("=", "+", "@", "\t", "\r"))
    with open(folder / version / "frame.csv", newline="", encoding="utf-8") as lines:
        header = next(csv.reader(lines))
    assert header[5:] == [escape_formula(app) for app in HOSTILE_APPS]


def test_the_same_data_gives_the_same_files(settings, warehouse, tmp_path):
    """Rows are written in the order of their key, whatever order the build left."""
    publish(settings)
    first = read_json(settings.serve / "aaa" / "current.json")
    for entry in (settings.serve / "aaa").iterdir():
        entry.rename(tmp_path / entry.name)
    warehouse.execute(
        "create or replace table rpt_most_used_by_student as "
        "from rpt_most_used_by_student order by random()"
    )
    publish(settings)
    second = read_json(settings.serve / "aaa" / "current.json")

    def files(manifest):
        return {
            name.split("/")[-1]: checksum
            for name, checksum in manifest["checksums"].items()
            if "/" in name
        }

    assert files(first) == files(second)
