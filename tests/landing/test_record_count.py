"""The count that DuckDB's is held against: a wrong one would lose rows unseen."""

from __future__ import annotations

import csv
import io
import random
from datetime import datetime

import pytest

from trackline.landing import record_count
from trackline.landing.files import LandingFile


def landing_file(path) -> LandingFile:
    return LandingFile(
        "north", "app_usage", "x.csv", str(path), 0, datetime(2025, 1, 1)
    )


@pytest.mark.parametrize("chunk_bytes", [3, 5, 7, 1000])
def test_agrees_with_the_csv_module(tmp_path, monkeypatch, chunk_bytes):
    monkeypatch.setattr(record_count, "CHUNK_BYTES", chunk_bytes)
    random_cells = random.Random(chunk_bytes)
    cells = ["x", '"q"', '"a\nb"', '"a""b"', '"a\r\n\r\nb"', '""']
    path = tmp_path / "x.csv"
    for _ in range(500):
        end = random_cells.choice(["\n", "\r\n"])
        text = f"a,b{end}"
        for row in range(random_cells.randint(0, 6)):
            text += end * random_cells.choice([0, 0, 0, 0, 1, 2, 3])
            text += f"{row},{random_cells.choice(cells)}{end}"
        if random_cells.random() < 0.3:
            text = text.removesuffix(end)
        path.write_bytes(text.encode())
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        assert record_count.count_records(landing_file(path)) == len(rows) - 1, text


def test_an_open_quote_has_no_count(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\n1,"x\n2,y\n')
    assert record_count.count_records(landing_file(path)) is None
