from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from publish_warehouse import Warehouse, make_settings

from trackline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """Two districts, nothing published."""
    made = Warehouse(settings.warehouse)
    made.add_district("aaa")
    made.add_district("bbb", students=7)
    return made


HOLD = """
import sys, time, duckdb
con = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
con.close()
"""


@pytest.fixture
def hold_warehouse():
    """Another process that has the warehouse open for writing; yields its id."""

    @contextmanager
    def hold(path: Path, seconds: float = 60.0) -> Iterator[int]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), str(seconds)],
            stdout=subprocess.PIPE,
        )
        try:
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    return hold
