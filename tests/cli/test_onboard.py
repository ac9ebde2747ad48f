"""Onboarding adds rows to two seeds or changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from trackline.config import load
from trackline.onboard import onboard
from trackline.settings import ROOT, RefusedError

DISTRICT = {
    "district_id": "newtown",
    "district_name": "New, Town",
    "time_zone": "America/Denver",
    "school_year_start": "08-01",
}
APPS = [
    {"app_id": "0042", "app_name": 'Say "hi", ok'},
    {"app_id": "مكتبة", "app_name": "📚"},
]


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    return tmp_path / "seeds"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_are_added_and_the_others_stay_byte_for_byte(seeds, tmp_path) -> None:
    before = contents(seeds)

    place = onboard(seeds, tmp_path / "landing", DISTRICT, APPS)

    after = contents(seeds)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"districts.csv", "district_apps.csv"}
    assert after.keys() == before.keys()  # no unfinished file is left
    assert all(after[name].startswith(before[name]) for name in before)
    assert place == tmp_path / "landing" / "newtown"
    assert place.is_dir()
    configuration = load(seeds)
    district = configuration.district("newtown")
    assert district.district_name == "New, Town"
    assert district.time_zone == "America/Denver"
    assert (district.top_n, district.enabled) == (5, True)
    assert [(app.app_id, app.app_name) for app in configuration.apps_of("newtown")] == [
        ("0042", 'Say "hi", ok'),
        ("مكتبة", "📚"),
    ]


@pytest.mark.parametrize(
    ("district", "apps", "rule"),
    [
        ({"district_id": "../x"}, [], "bad_district_id"),
        ({"district_id": ""}, [], "missing_value"),
        ({"district_id": "lakeview"}, [], "duplicate_row"),
        ({"district_name": ""}, [], "missing_value"),
        ({"time_zone": "Mars/Olympus"}, [], "unknown_time_zone"),
        ({"school_year_start": "02-29"}, [], "bad_month_day"),
        ({}, [{"app_id": "type", "app_name": "T"}], "reserved_app_id"),
        ({}, [{"app_id": "", "app_name": "T"}], "missing_value"),
        ({}, [*APPS, {"app_id": "0042", "app_name": "again"}], "duplicate_row"),
        (
            {},
            [{"app_id": "a", "app_name": "a"}, {"app_id": "A", "app_name": "A"}],
            "app_ids_differ_only_in_case",
        ),
    ],
)
def test_nothing_is_written_when_anything_is_wrong(
    seeds, tmp_path, district, apps, rule
) -> None:
    before = contents(seeds)
    with pytest.raises(RefusedError, match=rule):
        onboard(seeds, tmp_path / "landing", DISTRICT | district, apps)
    assert contents(seeds) == before
    assert not (tmp_path / "landing").exists()


def test_seeds_that_are_wrong_already_are_told_and_left_alone(seeds, tmp_path) -> None:
    (seeds / "score_bands.csv").unlink()
    before = contents(seeds)
    with pytest.raises(RefusedError, match=r"score_bands\.csv"):
        onboard(seeds, tmp_path / "landing", DISTRICT, APPS)
    assert contents(seeds) == before


def test_a_full_disk_changes_nothing(seeds, tmp_path, monkeypatch) -> None:
    before = contents(seeds)
    flushed = []

    def fail_the_second_time(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail_the_second_time)
    with pytest.raises(RefusedError, match="No space left"):
        onboard(seeds, tmp_path / "landing", DISTRICT, APPS)
    assert len(flushed) == 2
    assert contents(seeds) == before


def test_running_it_again_after_a_kill_between_the_two_seeds_completes_it(
    seeds, tmp_path, monkeypatch
) -> None:
    rename = Path.replace

    def killed_at_districts(self: Path, target: Path) -> Path:
        if target.name == "districts.csv":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", killed_at_districts)
    with pytest.raises(KeyboardInterrupt):
        onboard(seeds, tmp_path / "landing", DISTRICT, APPS)
    monkeypatch.undo()
    with pytest.raises(RefusedError, match="unknown_district"):
        load(seeds)  # no build serves half a district

    onboard(seeds, tmp_path / "landing", DISTRICT, APPS)

    assert len(load(seeds).apps_of("newtown")) == len(APPS)


def test_a_seed_without_a_last_line_end_and_with_crlf_is_continued(
    seeds, tmp_path
) -> None:
    path = seeds / "districts.csv"
    crlf = path.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + crlf)
    onboard(seeds, tmp_path / "landing", DISTRICT, APPS)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf" + crlf + b"\r\nnewtown,")
    assert load(seeds).district("newtown") is not None


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path) -> None:
    with pytest.raises(RefusedError, match="No such file"):
        onboard(tmp_path / "nowhere", tmp_path / "landing", DISTRICT, APPS)
