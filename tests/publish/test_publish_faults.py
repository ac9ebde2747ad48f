"""Publishing while others read, die, and run out of room."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from dataclasses import replace

import duckdb
import pytest
from publish_warehouse import Warehouse, read_json
from publish_workers import (
    PROCESSES,
    in_process,
    publish_and_die_after,
    publish_and_die_at,
    publish_within,
    read_publication,
    read_until,
    set_generation,
    time_of,
)

from trackline.publish import publish


def check_folder(folder, generations: set[int | None]) -> int | None:
    """Check that every visible version is complete and the current one is expected."""
    generation = read_publication(folder)
    assert generation in generations
    for database in folder.glob("[0-9]*.duckdb"):
        manifest = read_json(folder / database.stem / "manifest.json")
        for name, size in manifest["sizes"].items():
            assert (folder / name).stat().st_size == size
    return generation


def check_recovery(settings, warehouse, generation: int) -> None:
    publish(settings)
    for name in ("aaa", "bbb"):
        folder = settings.serve / name
        assert read_publication(folder) == generation
        assert not list(folder.glob(".new-*"))
        stems = {p.name.split(".")[0] for p in folder.glob("[0-9]*")}
        assert stems == {p.stem for p in folder.glob("*.duckdb")}
        assert len(stems) <= 3


def test_readers_see_one_version_or_the_next(settings, warehouse):
    last = 12
    set_generation(warehouse, 1)
    publish(settings)
    results = PROCESSES.SimpleQueue()
    reader = PROCESSES.Process(
        target=read_until, args=(settings.serve / "aaa", last, results)
    )
    reader.start()
    for generation in range(2, last + 1):
        set_generation(warehouse, generation)
        assert not publish(settings).has_findings
        time.sleep(0.2)
    reader.join(60)
    seen, error = results.get()
    assert error is None
    assert seen == sorted(seen)
    assert len(set(seen)) > last / 2, "the reader must have met many versions"


def test_an_open_version_stays_readable_after_it_is_pruned(settings, warehouse):
    publish(settings)
    folder = settings.serve / "aaa"
    old = folder / read_json(folder / "current.json")["duckdb"]
    with duckdb.connect(str(old), read_only=True) as con:
        for generation in range(4):
            set_generation(warehouse, generation)
            publish(settings)
        assert not old.exists()
        [(rows,)] = con.execute(
            "select count(*) from rpt_most_used_by_student"
        ).fetchall()
        assert rows == 60


@pytest.mark.parametrize(
    "deaths", [5, pytest.param(60, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_killed_at_random_moments(settings, warehouse, deaths):
    """Old or new, never between; the next run leaves no trace of the killed one."""
    chance = random.Random(20260331)
    set_generation(warehouse, 0)
    publish(settings)
    set_generation(warehouse, 1)
    usual = time_of(lambda: publish(settings))
    killed = 0
    for generation in range(2, 2 + deaths):
        set_generation(warehouse, generation)
        moment = chance.uniform(0.01, usual * 1.1)
        killed += in_process(publish_and_die_after, settings, moment) == -9
        for name in ("aaa", "bbb"):
            check_folder(settings.serve / name, {generation - 1, generation})
        check_recovery(settings, warehouse, generation)
    assert killed, "no run was killed: the test did not test"


@pytest.mark.parametrize(
    "steps",
    [range(0, 60, 11), pytest.param(range(120), marks=pytest.mark.long)],
    ids=["some", "every"],
)
@pytest.mark.parametrize("versions_before", [0, 3])
def test_killed_at_every_step(settings, warehouse, steps, versions_before):
    """A death before each flush, rename and removal, also of a first publication."""
    for generation in range(-versions_before, 0):
        set_generation(warehouse, generation)
        publish(settings)
    backup = settings.serve.with_name("backup")
    settings.serve.mkdir(exist_ok=True)
    shutil.copytree(settings.serve, backup)
    set_generation(warehouse, 1)
    before = -1 if versions_before else None
    reached = []
    for step in steps:
        shutil.rmtree(settings.serve)
        shutil.copytree(backup, settings.serve)
        code = in_process(publish_and_die_at, settings, step)
        assert code in (0, -9)
        reached.append(check_folder(settings.serve / "aaa", {before, 1}))
        check_recovery(settings, warehouse, 1)
        if code == 0:
            break
    assert reached[0] == before
    assert reached[-1] == 1


@pytest.mark.parametrize("file_bytes", [50_000, 300_000, 1_500_000])
def test_a_full_disk_leaves_the_old_version(settings, warehouse, file_bytes):
    set_generation(warehouse, 1)
    publish(settings)
    set_generation(warehouse, 2)
    results = PROCESSES.SimpleQueue()
    assert in_process(publish_within, settings, file_bytes, results) == 0
    for name, state, [finding] in results.get():
        assert state == "failed"
        assert "\n" not in finding
        assert "Traceback" not in finding
        assert check_folder(settings.serve / name, {1}) == 1
        assert not list((settings.serve / name).glob(".new-*"))
    check_recovery(settings, warehouse, 2)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 9 MB, where that is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_fills_up_leaves_the_old_version(settings, warehouse, small_disk):
    """Room for three versions of two districts, less what they share."""
    settings = replace(settings, serve=small_disk)
    states = []
    for generation in range(1, 5):
        set_generation(warehouse, generation)
        report = publish(settings)
        states += [outcome.state for outcome in report.outcomes]
        for outcome in report.outcomes:
            expected = generation if outcome.state == "published" else None
            seen = read_publication(small_disk / outcome.district_id)
            assert seen == expected or (expected is None and (seen or 0) < generation)
            assert not list((small_disk / outcome.district_id).glob(".new-*"))
    assert set(states) == {"published", "failed"}


def test_a_killed_build_before_publishing_is_read(settings):
    """A write-ahead log left by a killed writer is part of the warehouse."""
    warehouse = Warehouse(settings.warehouse)
    warehouse.add_district("aaa", students=3)
    code = in_process(_write_and_die, settings.warehouse)
    assert code == -9
    assert settings.warehouse.with_name("warehouse.duckdb.wal").exists()
    assert not publish(settings).has_findings
    assert (
        read_json(settings.serve / "aaa" / "current.json")["row_counts"][
            "rpt_app_value"
        ]
        == 2
    )


def _write_and_die(path) -> None:
    con = duckdb.connect(str(path))
    con.execute("insert into rpt_app_value from rpt_app_value")
    os.kill(os.getpid(), 9)


def test_a_warehouse_lost_on_the_way_fails_the_rest_and_is_told(
    settings, warehouse, monkeypatch
):
    from trackline.publish import run
    from trackline.publish.warehouse import WarehouseHeldError

    def broken(*_):
        raise OSError("disk")

    waited = []

    def held(_, patience):
        waited.append(patience)
        raise WarehouseHeldError("the warehouse is held by another process")

    warehouse.add_district("ccc")
    connections = iter([run.connect])
    monkeypatch.setattr(run, "publish_district", broken)
    monkeypatch.setattr(
        run, "connect", lambda *a, **k: next(connections, held)(*a, **k)
    )
    report = run.publish(settings)
    states = [(o.district_id, o.state) for o in report.outcomes]
    assert states == [(name, "failed") for name in ("aaa", "bbb", "ccc")]
    assert "held by another" in report.outcomes[1].findings[0]
    assert waited == [run.PATIENCE_SECONDS, 0], "waited for once, not for each"
