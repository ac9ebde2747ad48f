"""The demo's landing files: the same every time, and with every case in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from trackline.config import Configuration, load
from trackline.demo import DEMO_DISTRICTS, write_demo
from trackline.settings import ROOT, RefusedError


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    write_demo(folder, load(ROOT / "seeds"))
    return folder


def usage(landing: Path, district: str, pattern: str) -> pd.DataFrame:
    parts = []
    for path in sorted((landing / district / "app_usage").glob(pattern)):
        read = pd.read_parquet if path.suffix == ".parquet" else read_csv
        parts.append(read(path))
    return pd.concat(parts)


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_two_runs_write_the_same_bytes_with_the_same_times(landing, tmp_path) -> None:
    # otherwise the second `make demo` would read every file again
    def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
        return {
            str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in folder.rglob("*")
            if path.is_file()
        }

    write_demo(tmp_path, load(ROOT / "seeds"))
    first = snapshot(landing)
    assert snapshot(tmp_path) == first
    write_demo(tmp_path, load(ROOT / "seeds"))  # over files that are there
    assert snapshot(tmp_path) == first


def test_it_is_small(landing) -> None:
    files = [path for path in landing.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert {path.name.partition(".")[2] for path in files} == {
        "csv",
        "csv.gz",
        "parquet",
        "csv.part",
    }


def test_the_districts_differ_in_what_they_deliver(landing) -> None:
    delivered = {
        district: {path.name for path in (landing / district).iterdir()}
        for district in DEMO_DISTRICTS
    }
    assert delivered == {
        "harborside": {"app_usage", "scores"},
        "kailani": {"app_usage", "enrollments", "events", "scores"},
        "lakeview": {"app_usage", "scores", "students"},
    }


def test_every_selected_app_is_used_in_the_last_60_days(landing) -> None:
    # an app nobody uses would make the config test of district_apps warn in the demo
    configuration = load(ROOT / "seeds")
    lakeview = usage(landing, "lakeview", "2026/*03*")
    kailani = pd.concat(
        read_csv(path) for path in (landing / "kailani/events").glob("*2026-03*")
    )
    harborside = usage(landing, "harborside", "2026-03*")
    for district, rows in (
        ("lakeview", lakeview),
        ("kailani", kailani),
        ("harborside", harborside),
    ):
        selected = {app.app_id for app in configuration.apps_of(district)}
        assert set(rows.app_id) == selected


@pytest.mark.parametrize("district", DEMO_DISTRICTS)
def test_every_type_of_student_is_there(landing, district) -> None:
    folder = landing / district / "scores"
    scores = pd.concat(
        pd.read_parquet(path) if path.suffix == ".parquet" else read_csv(path)
        for path in sorted(folder.iterdir())
    )
    start = {"harborside": "2025-09-01", "kailani": "2025-08-01"}.get(
        district, "2025-08-15"
    )
    current = scores.measured_on.astype(str) >= start
    of = {
        measure: set(scores[current & (scores.measure == measure)].student_id)
        for measure in ("assessment", "forecast", "average")
    }
    earlier = set(scores[~current & (scores.measure == "average")].student_id)
    type_2 = of["forecast"] - of["assessment"]
    type_3 = of["average"] - of["forecast"] - of["assessment"]
    type_4 = earlier - of["average"] - of["forecast"] - of["assessment"]
    assert min(map(len, (of["assessment"], type_2, type_3, type_4))) > 5
    percent = 100 * scores.score.astype(float) / scores.max_score.astype(float)
    assert percent.between(0, 100).all()
    assert percent.max() > 88 > 55 > percent.min()


def test_late_rows_corrections_and_withdrawals_are_there(landing) -> None:
    rows = read_csv(landing / "lakeview/app_usage/corrections.csv")
    delivered = usage(landing, "lakeview", "2026/*")
    key = ["student_id", "app_id", "usage_date"]
    # each meets a row that an earlier file delivered
    assert len(rows.merge(delivered, on=key)) == len(rows) == 150
    assert (rows.is_deleted == "true").sum() == 20
    assert (rows.updated_at < "2026").sum() == 30


def test_the_broken_file_breaks_every_rule_a_row_can_break(landing) -> None:
    rows = read_csv(landing / "lakeview/app_usage/broken.csv")
    assert len(rows) == 11
    assert rows.comment.iloc[-1] == "nothing is wrong with this row"


def test_two_files_cannot_be_read(landing) -> None:
    with pytest.raises(EOFError):
        gzip.decompress((landing / "lakeview/app_usage/unreadable.csv.gz").read_bytes())
    with pytest.raises(pa.ArrowInvalid):
        pd.read_parquet(landing / "harborside/app_usage/cut-short.parquet")


def test_events_fall_on_another_day_in_utc_and_are_repeated(landing) -> None:
    rows = pd.concat(
        read_csv(path) for path in (landing / "kailani/events").glob("*.csv.gz")
    )
    at = pd.to_datetime(rows.occurred_at)
    there = at.dt.tz_convert("Pacific/Honolulu")
    assert (at.dt.date != there.dt.date).mean() > 0.1
    assert there.dt.hour.between(8, 15).all()
    assert rows.event_id.duplicated().sum() == 200
    assert 0.2 < (rows.duration_seconds == "").mean() < 0.3


def test_seeds_without_the_demo_districts_are_refused(tmp_path) -> None:
    with pytest.raises(RefusedError, match="harborside"):
        write_demo(tmp_path, Configuration())
    assert list(tmp_path.iterdir()) == []
